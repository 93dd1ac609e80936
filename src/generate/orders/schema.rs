//! The application's own tables: declared types, defaults, keys and indexes as it made them.

/// Tables in the order in which they are filled.
pub(super) const TABLES: [&str; 16] = [
    "users",
    "machines",
    "environments",
    "system_settings",
    "migrations",
    "production_orders",
    "production_stops",
    "production_waste",
    "quantity_updates",
    "daily_attendance",
    "labor_assignments",
    "shift_supervisors",
    "shift_reports",
    "daily_role_overrides",
    "machine_crews",
    "crew_assignments",
];

/// Columns that refer to a row that may have been deleted: table, column, the table it names.
/// The first two are bare numbers to SQLite; the others are declared as foreign keys.
pub(super) const REFERENCES: [(&str, &str, &str); 9] = [
    ("production_orders", "machine_id", "machines"),
    ("production_orders", "operator_id", "users"),
    ("production_stops", "order_id", "production_orders"),
    ("production_waste", "order_id", "production_orders"),
    ("quantity_updates", "order_id", "production_orders"),
    ("quantity_updates", "updated_by", "users"),
    ("labor_assignments", "user_id", "users"),
    ("labor_assignments", "machine_id", "machines"),
    ("daily_role_overrides", "employee_id", "users"),
];

/// People, places, settings.
pub(super) const MASTER: &str = "
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT UNIQUE NOT NULL,
    email TEXT UNIQUE NOT NULL,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    is_active BOOLEAN DEFAULT 1,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    last_login DATETIME,
    fullName TEXT,
    phone TEXT,
    company TEXT,
    preferred_machine TEXT,
    employee_code TEXT
);
CREATE INDEX idx_users_role ON users(role);
CREATE INDEX idx_users_employee_code ON users(employee_code);
CREATE TABLE machines (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    type TEXT,
    status TEXT DEFAULT 'available',
    environment TEXT,
    capacity INTEGER DEFAULT 100,
    production_rate INTEGER DEFAULT 60,
    shift_cycle_enabled BOOLEAN DEFAULT 0,
    cycle_start_date DATE,
    crew_size INTEGER DEFAULT 1,
    operators_per_shift INTEGER DEFAULT 2,
    hopper_loaders_per_shift INTEGER DEFAULT 1,
    packers_per_shift INTEGER DEFAULT 3
);
CREATE INDEX idx_machines_environment ON machines(environment);
CREATE INDEX idx_machines_status ON machines(status);
CREATE TABLE environments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT UNIQUE NOT NULL,
    code TEXT UNIQUE NOT NULL,
    description TEXT,
    color TEXT DEFAULT 'blue',
    machine_types TEXT,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    updated_at DATETIME DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE system_settings (
    key TEXT PRIMARY KEY,
    value TEXT
);
CREATE TABLE migrations (
    id TEXT PRIMARY KEY
);";

/// What is made, and what got in the way.
pub(super) const WORK: &str = "
CREATE TABLE production_orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    order_number TEXT UNIQUE NOT NULL,
    product_name TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    actual_quantity INTEGER,
    environment TEXT,
    priority TEXT DEFAULT 'normal',
    status TEXT DEFAULT 'pending',
    machine_id INTEGER,
    operator_id INTEGER,
    due_date DATE,
    notes TEXT,
    created_by INTEGER,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    start_time DATETIME,
    stop_time DATETIME,
    complete_time DATETIME,
    stop_reason TEXT,
    efficiency_percentage REAL,
    archived BOOLEAN DEFAULT 0
);
CREATE INDEX idx_orders_status ON production_orders(status);
CREATE INDEX idx_orders_environment ON production_orders(environment);
CREATE TABLE production_stops (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id INTEGER NOT NULL,
    reason TEXT NOT NULL,
    notes TEXT,
    start_time DATETIME DEFAULT CURRENT_TIMESTAMP,
    end_time DATETIME,
    duration INTEGER,
    resolved_at DATETIME,
    category TEXT,
    operator_id INTEGER,
    resolved_by INTEGER,
    FOREIGN KEY (order_id) REFERENCES production_orders(id)
);
CREATE TABLE production_waste (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id INTEGER NOT NULL,
    waste_type TEXT NOT NULL,
    quantity REAL NOT NULL,
    created_by INTEGER NOT NULL,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (order_id) REFERENCES production_orders(id)
);
CREATE TABLE quantity_updates (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id INTEGER NOT NULL,
    previous_quantity INTEGER DEFAULT 0,
    new_quantity INTEGER NOT NULL,
    quantity_change INTEGER NOT NULL,
    updated_by INTEGER NOT NULL,
    update_time DATETIME DEFAULT (datetime('now', '+2 hours')),
    shift_date DATE NOT NULL,
    shift_type TEXT NOT NULL CHECK (shift_type IN ('day', 'night')),
    notes TEXT,
    FOREIGN KEY (order_id) REFERENCES production_orders(id),
    FOREIGN KEY (updated_by) REFERENCES users(id)
);";

/// Who is where, and what came of a shift.
pub(super) const STAFF: &str = "
CREATE TABLE daily_attendance (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    attendance_date DATE NOT NULL,
    employee_code TEXT NOT NULL,
    name TEXT NOT NULL,
    production_area TEXT,
    position TEXT,
    shift TEXT,
    company TEXT,
    status TEXT NOT NULL DEFAULT 'pending',
    UNIQUE(attendance_date, employee_code)
);
CREATE INDEX idx_attendance_date ON daily_attendance(attendance_date);
CREATE TABLE labor_assignments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL,
    machine_id INTEGER NOT NULL,
    assignment_date DATE NOT NULL,
    shift TEXT NOT NULL,
    status TEXT DEFAULT 'planned',
    employee_id INTEGER,
    job_role TEXT DEFAULT 'Packer',
    FOREIGN KEY (user_id) REFERENCES users(id),
    FOREIGN KEY (machine_id) REFERENCES machines(id),
    UNIQUE(user_id, assignment_date, shift)
);
CREATE INDEX idx_labor_date ON labor_assignments(assignment_date);
CREATE INDEX idx_labor_machine ON labor_assignments(machine_id);
CREATE INDEX idx_labor_user ON labor_assignments(user_id);
CREATE INDEX idx_labor_shift ON labor_assignments(shift);
CREATE TABLE shift_supervisors (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    supervisor_id INTEGER NOT NULL,
    assignment_date DATE NOT NULL,
    shift TEXT NOT NULL CHECK (shift IN ('day', 'night')),
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
    created_by INTEGER NOT NULL,
    FOREIGN KEY (supervisor_id) REFERENCES users(id),
    FOREIGN KEY (created_by) REFERENCES users(id),
    UNIQUE(supervisor_id, assignment_date, shift)
);
CREATE INDEX idx_supervisors_date_shift ON shift_supervisors(assignment_date, shift);
CREATE TABLE shift_reports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    shift_date DATE NOT NULL,
    shift_type TEXT NOT NULL CHECK (shift_type IN ('day', 'night')),
    environment TEXT NOT NULL,
    supervisor_id INTEGER,
    start_time DATETIME NOT NULL,
    end_time DATETIME NOT NULL,
    total_orders INTEGER DEFAULT 0,
    completed_orders INTEGER DEFAULT 0,
    in_progress_orders INTEGER DEFAULT 0,
    stopped_orders INTEGER DEFAULT 0,
    total_quantity_produced INTEGER DEFAULT 0,
    total_stops INTEGER DEFAULT 0,
    total_downtime_minutes INTEGER DEFAULT 0,
    total_machines_active INTEGER DEFAULT 0,
    total_machines_available INTEGER DEFAULT 0,
    oee_percentage REAL DEFAULT 0,
    efficiency_percentage REAL DEFAULT 0,
    quality_percentage REAL DEFAULT 100,
    summary_notes TEXT,
    created_at DATETIME DEFAULT (datetime('now', '+2 hours')),
    created_by INTEGER,
    FOREIGN KEY (supervisor_id) REFERENCES users(id),
    FOREIGN KEY (created_by) REFERENCES users(id),
    UNIQUE(shift_date, shift_type, environment)
);
CREATE TABLE daily_role_overrides (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    employee_id INTEGER NOT NULL,
    original_role TEXT NOT NULL,
    override_role TEXT NOT NULL,
    override_date DATE NOT NULL,
    shift_type TEXT DEFAULT 'both' CHECK (shift_type IN ('day', 'night', 'both')),
    assigned_by INTEGER NOT NULL,
    notes TEXT,
    created_at DATETIME DEFAULT (datetime('now', '+2 hours')),
    FOREIGN KEY (employee_id) REFERENCES users(id),
    FOREIGN KEY (assigned_by) REFERENCES users(id),
    UNIQUE(employee_id, override_date, shift_type)
);";

/// The 2-2-2 cycle, added last.
pub(super) const CREWS: &str = "
CREATE TABLE machine_crews (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    machine_id INTEGER NOT NULL,
    crew_letter TEXT NOT NULL CHECK (crew_letter IN ('A', 'B', 'C')),
    cycle_offset INTEGER NOT NULL CHECK (cycle_offset IN (0, 2, 4)),
    employees TEXT DEFAULT '[]',
    is_active BOOLEAN DEFAULT 1,
    created_date DATE DEFAULT (datetime('now', '+2 hours')),
    updated_date DATE DEFAULT (datetime('now', '+2 hours')),
    created_by INTEGER,
    FOREIGN KEY (machine_id) REFERENCES machines(id) ON DELETE CASCADE,
    UNIQUE(machine_id, crew_letter)
);
CREATE TABLE crew_assignments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    machine_id INTEGER NOT NULL,
    crew_id INTEGER NOT NULL,
    assignment_date DATE NOT NULL,
    shift_type TEXT NOT NULL CHECK (shift_type IN ('day', 'night', 'rest')),
    auto_generated BOOLEAN DEFAULT 1,
    is_override BOOLEAN DEFAULT 0,
    override_reason TEXT,
    created_at DATETIME DEFAULT (datetime('now', '+2 hours')),
    created_by INTEGER,
    FOREIGN KEY (machine_id) REFERENCES machines(id) ON DELETE CASCADE,
    FOREIGN KEY (crew_id) REFERENCES machine_crews(id) ON DELETE CASCADE,
    UNIQUE(machine_id, crew_id, assignment_date)
);
CREATE VIEW crew_schedule_view AS
SELECT m.name AS machine_name, c.crew_letter, c.cycle_offset, a.assignment_date, a.shift_type,
       a.auto_generated, a.is_override
FROM crew_assignments a
JOIN machine_crews c ON c.id = a.crew_id
JOIN machines m ON m.id = a.machine_id;";
