//! One unit: what is known of it, and how far everything is decided.

use super::{Deserialize, Overlap, Serialize, State, StatesPlan, by_name};

/// More events than this over one instant of one unit are no stops any more but a broken source.
const EVENTS_MAX: usize = 32;
/// A unit as JSON with one more event: the ledger takes 8 KiB, and a sample and the open interval may still
/// bring the longest of reasons.
const BYTES_MAX: usize = 3_400;
/// Numbers and names of an event as JSON.
const EVENT_BYTES: usize = 96;
/// Records of one instant that are remembered to tell a repetition.
const HEARD_MAX: usize = 24;

/// What a unit does during an interval; neighbours that say the same are one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Label {
    #[serde(with = "by_name")]
    pub(super) state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) order: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) operator: Option<String>,
}

/// An event that has begun and is not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Event {
    start: i64,
    end: Option<i64>,
    /// Counts the events of a unit: of two that begin alike the later record holds.
    number: u64,
    label: Label,
}

/// The interval that is still open; it ends at the front.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) start: i64,
    pub(super) label: Label,
}

/// All that is kept of a unit between two records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unit {
    /// Everything before it is decided; the time of the last record. µs since 2000, like all times here.
    pub(super) front: i64,
    events: Vec<Event>,
    /// The last sample, and when it was taken.
    sample: Option<(i64, Label)>,
    pub(super) run: Option<Run>,
    /// Hashes of the records at the front: the same once more is none.
    heard: Vec<u64>,
    events_seen: u64,
    /// Events that began while another lasted.
    pub(super) overlaps: u64,
    /// Records whose state is in no list.
    pub(super) unmapped: u64,
}

impl Unit {
    pub(super) fn new(at: i64) -> Self {
        Self {
            front: at,
            events: Vec::new(),
            sample: None,
            run: None,
            heard: Vec::new(),
            events_seen: 0,
            overlaps: 0,
            unmapped: 0,
        }
    }

    /// Decides everything up to `at`, which no later record can change.
    pub(super) fn advance(&mut self, plan: &StatesPlan, at: i64, emit: &mut impl FnMut(&Run, i64)) {
        if at > self.front {
            self.heard.clear();
        }
        while self.front < at {
            self.front = self.next_change(plan).map_or(at, |change| change.min(at));
            let front = self.front;
            self.events.retain(|event| event.end.is_none_or(|end| end > front));
            // At `at` itself the record at hand has its say first.
            if front < at {
                self.settle(plan, emit);
            }
        }
    }

    /// Up to when what the unit does is known: the last record, or the known end of the event that holds.
    pub(super) fn known_until(&self, plan: &StatesPlan) -> i64 {
        let end = self.next_change(plan).filter(|_| !self.events.is_empty());
        end.map_or(self.front, |end| end.max(self.front))
    }

    /// When an event ends or the sample holds no longer, whichever comes first behind the front.
    fn next_change(&self, plan: &StatesPlan) -> Option<i64> {
        let ends = self.events.iter().filter_map(|event| event.end);
        let sample = self.expiry(plan).filter(|expiry| *expiry > self.front);
        ends.chain(sample).min()
    }

    fn expiry(&self, plan: &StatesPlan) -> Option<i64> {
        let (at, _) = self.sample.as_ref()?;
        Some(at.saturating_add(plan.hold_us?))
    }

    /// Whether the record is a new one, and not the same once more at the same instant.
    pub(super) fn hears(&mut self, digest: u64) -> bool {
        let new = !self.heard.contains(&digest);
        // The state of a unit is bounded; so many records of one instant tell nothing new.
        if new && self.heard.len() < HEARD_MAX {
            self.heard.push(digest);
        }
        new
    }

    /// Whether one more event may begin.
    pub(super) fn has_room(&self, at: i64, label: &Label) -> bool {
        let lasting = self.events.iter().filter(|event| event.end.is_some_and(|end| end > at));
        let json = |value: &Label| serde_json::to_vec(value).map_or(usize::MAX, |json| json.len());
        let bytes = lasting.clone().map(|event| json(&event.label) + EVENT_BYTES).sum::<usize>();
        lasting.count() < EVENTS_MAX && bytes.saturating_add(json(label)) <= BYTES_MAX
    }

    /// A sample. One that shows the unit at work ends every event that nobody ended.
    pub(super) fn sample(&mut self, at: i64, label: Label) {
        if label.state.produces() {
            self.events.retain(|event| event.end.is_some());
        }
        self.sample = Some((at, label));
    }

    /// An event begins; one that has no end ends with it.
    pub(super) fn begin(&mut self, start: i64, end: Option<i64>, label: Label) {
        self.events.retain(|other| other.end.is_some());
        if end == Some(start) {
            return;
        }
        self.overlaps += u64::from(!self.events.is_empty());
        self.events_seen += 1;
        self.events.push(Event { start, end, number: self.events_seen, label });
    }

    /// Ends the open interval if something else holds at the front.
    pub(super) fn settle(&mut self, plan: &StatesPlan, emit: &mut impl FnMut(&Run, i64)) {
        let front = self.front;
        let holds = self.holds(plan);
        let same = self.run.as_ref().is_some_and(|run| match holds {
            Some(label) => run.label == *label,
            None => is_otherwise(&run.label, plan),
        });
        if same {
            return;
        }
        let label = holds.cloned().unwrap_or_else(|| otherwise(plan));
        let over = self.run.replace(Run { start: front, label });
        if let Some(over) = over.filter(|over| over.start < front) {
            emit(&over, front);
        }
    }

    /// What holds at the front; nothing where only `otherwise` is left.
    fn holds(&self, plan: &StatesPlan) -> Option<&Label> {
        let rank = |event: &&Event| {
            let severity = event.label.state.severity();
            match plan.overlap {
                Overlap::LatestStart => (event.start, i64::from(severity), event.number),
                Overlap::Severity => (i64::from(severity), event.start, event.number),
            }
        };
        if let Some(event) = self.events.iter().max_by_key(rank) {
            return Some(&event.label);
        }
        let held = self.expiry(plan).is_none_or(|expiry| expiry > self.front);
        self.sample.as_ref().filter(|_| held).map(|(_, label)| label)
    }
}

fn is_otherwise(label: &Label, plan: &StatesPlan) -> bool {
    label.state == plan.otherwise
        && label.reason.is_none()
        && label.order.is_none()
        && label.operator.is_none()
}

fn otherwise(plan: &StatesPlan) -> Label {
    Label { state: plan.otherwise, reason: None, order: None, operator: None }
}
