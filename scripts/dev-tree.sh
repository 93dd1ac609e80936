# shellcheck shell=bash disable=SC2154,SC2034,SC2016,SC1091
# Part of ./dev: unpacks Postgres, TimescaleDB, Mosquitto and SQLite from Debian's archive into a private
# folder. Nothing is installed, no root is needed, and the host's own packages stay as they are.
#
# The programs are newer than an older Debian's libc, so each is started through the tree's own loader by a
# small wrapper. Sets (tree_paths): tree, tree_bin, pg_bin.

tree_suite=trixie
tree_packages=(postgresql-17-timescaledb mosquitto mosquitto-clients sqlite3 tzdata)
# Dependencies that only matter to an installed system. apt is told that they are there already, which
# makes the download half as big (LLVM alone is 100 MB unpacked).
tree_left_out=(libllvm19 postgresql-common postgresql-client-common locales perl adduser debconf openssl
  ssl-cert ucf netbase init-system-helpers sysvinit-utils libpam-runtime libpam-modules libsasl2-modules-db
  libdb5.3t64 libc-bin readline-common libaudit-common sensible-utils passwd procps openssl-provider-legacy)
tree_recipe=1   # raise it when the steps below change, so that old trees are not used any more

# Why the tree cannot be made on this host; prints nothing if it can.
tree_obstacle() {
  local cmd id=
  for cmd in apt-get dpkg dpkg-deb flock tar setsid setpriv; do
    command -v "$cmd" >/dev/null || { echo "the command '$cmd' is missing"; return; }
  done
  id=$(. /etc/os-release 2>/dev/null && echo "${ID:-}") || true
  [ "$id" = debian ] || { echo "this host is not Debian (ID=${id:-unknown} in /etc/os-release)"; return; }
  case $(dpkg --print-architecture) in amd64|arm64) ;; *) echo "only amd64 and arm64 are supported" ;; esac
}

tree_paths() {
  local recipe
  arch=$(dpkg --print-architecture)
  case $arch in
    amd64) triplet=x86_64-linux-gnu loader=ld-linux-x86-64.so.2 ;;
    arm64) triplet=aarch64-linux-gnu loader=ld-linux-aarch64.so.1 ;;
    *) die "no packages for the architecture $arch" "use a container engine" ;;
  esac
  recipe=$(printf '%s\n' "$tree_recipe" "${tree_packages[@]}" "${tree_left_out[@]}" | sha256sum | cut -c1-12)
  if [ -n "${MILLSTREAM_DEV_CACHE:-}" ]; then cache=$MILLSTREAM_DEV_CACHE
  elif [ "$(id -u)" = 0 ]; then cache=/var/cache/millstream-dev
  else cache=${XDG_CACHE_HOME:-$HOME/.cache}/millstream-dev; fi
  case $cache in /*) ;; *) cache=$invoked_from/$cache ;; esac
  tree=$cache/$tree_suite-$arch-$recipe
  tree_bin=$tree/bin
  pg_bin=$tree/usr/lib/postgresql/17/bin
}

# Where the host itself gets Debian from, so that a company mirror or a proxy is honoured. Prints the base
# address of the archive asked for (main or security). apt parses its own files, in both their formats.
tree_mirror() { # main|security
  local which=$1 codename base suite component best=
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  while IFS='|' read -r base suite component; do
    base=${base%/}
    [ "$component" = main ] || continue
    case $base in cdrom:*|file:*|copy:*) continue ;; esac
    case $which:$suite in
      main:"$codename")
        # Other vendors name their suites after Debian's too: prefer what looks like Debian's archive.
        case $base in */debian) echo "$base"; return ;; *) best=${best:-$base} ;; esac ;;
      main:stable|main:testing|main:unstable|main:sid)
        case $base in */debian) best=${best:-$base} ;; esac ;;
      security:*-security|security:*/updates) best=${best:-$base} ;;
    esac
  done < <(apt-get indextargets --no-release-info --format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)' \
             'Created-By: Packages' 2>/dev/null || true)
  printf '%s' "$best"
}

# A private apt: its own lists, its own idea of what is installed, the host's proxies and credentials.
tree_apt_setup() { # work folder
  local work=$1 key main security package signed
  for key in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do [ -r "$key" ] && break; done
  [ -r "$key" ] || die "no keys to check Debian's packages with: $key is not there" \
    "install the package debian-archive-keyring"
  main=$(tree_mirror main) security=$(tree_mirror security)
  [ -n "$main" ] || die "found no entry for Debian's main archive in /etc/apt/sources.list or /etc/apt/sources.list.d" \
    "add one for this host's suite (component main), or use a container engine"
  mkdir -p "$work"/{lists/partial,archives/partial,root}
  signed="[arch=$arch signed-by=$key]"
  { printf 'deb %s %s %s main\n' "$signed" "$main" "$tree_suite" "$signed" "$main" "$tree_suite-updates"
    if [ -n "$security" ]; then
      printf 'deb %s %s %s main\n' "$signed" "$security" "$tree_suite-security"
    else warn "the host's apt sources have no security archive: the packages may lack the newest fixes"; fi
  } > "$work/sources.list"
  for package in "${tree_left_out[@]}"; do
    printf '%s\n' "Package: $package" 'Status: install ok installed' 'Maintainer: nobody' "Architecture: $arch" \
      'Multi-Arch: foreign' 'Version: 9999:9999' 'Description: left out on purpose' ''
  done > "$work/status"
  # Only a configuration file can clear a list, hence no -o: the hooks of the host must not run for us.
  cat > "$work/apt.conf" <<EOF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
#clear APT::Default-Release;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::DEP-11-icons;
#clear Acquire::IndexTargets::deb::DEP-11-icons-small;
#clear Acquire::IndexTargets::deb::Contents-deb;
Dir::Etc::sourcelist "$work/sources.list"; Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
Dir::State "$work"; Dir::State::lists "$work/lists"; Dir::State::status "$work/status";
Dir::Cache "$work"; Dir::Cache::archives "$work/archives"; Dir::Log "$work";
APT::Architecture "$arch"; APT::Architectures { "$arch"; }; APT::Sandbox::User "";
APT::Install-Recommends "false"; APT::Get::Assume-Yes "true";
Acquire::Languages "none"; Acquire::Retries "3"; Debug::NoLocking "true";
EOF
}

tree_unpack() { # work folder
  local work=$1
  # Documentation, translations, JIT and upgrade paths from older TimescaleDBs: two thirds of the bytes.
  printf '%s\0' "$work"/archives/*.deb | xargs -0 -n 1 -P 4 sh -c '
    dpkg-deb --fsys-tarfile "$2" | tar -x --no-same-owner -C "$0" \
      --exclude="./usr/share/doc/*" --exclude="./usr/share/man/*" --exclude="./usr/share/locale/*" \
      --exclude="./usr/share/i18n/*" --exclude="./usr/share/lintian/*" --exclude="./usr/lib/$1/gconv/*" \
      --exclude="./usr/share/postgresql/17/man/*" --exclude="./usr/lib/postgresql/17/lib/bitcode/*" \
      --exclude="./usr/lib/postgresql/17/lib/llvmjit*" \
      --exclude="./usr/share/postgresql/17/extension/timescaledb--*--*"' "$work/root" "$triplet" ||
    die "could not unpack the packages in $work" "is the disk full? (df -h '$cache'); then run ./dev up again"
}

# Puts a wrapper at $2 that starts the program $3 (both relative to the tree $1). argv[0] becomes the
# wrapper's path: Postgres finds its libraries and its sister programs from there.
tree_wrap() { # tree wrapper program
  local up
  up=$(printf '%s' "${2%/*}" | sed 's,[^/]*,..,g')
  mkdir -p "$1/${2%/*}"
  cat > "$1/$2" <<EOF
#!/bin/sh
h=\$(CDPATH='' cd -- "\$(dirname -- "\$0")" && pwd -P) && r=\$(CDPATH='' cd -- "\$h/$up" && pwd -P) || exit 127
l=\$r/usr/lib/$triplet
exec "\$l/$loader" --inhibit-cache --library-path "\$l" --argv0 "\$h/${2##*/}" "\$r/$3" "\$@"
EOF
  chmod 755 "$1/$2"
}

tree_make() { # the caller holds the lock of the cache
  local work program name dir=usr/lib/postgresql/17
  rm -rf "$cache"/new.*
  work=$(mktemp -d "$cache/new.XXXXXX") && chmod 755 "$work"
  tree_apt_setup "$work"
  say "fetching ${tree_packages[*]} for $tree_suite (46 MB, once a machine) into $cache"
  if ! { apt-get -c "$work/apt.conf" -qq update &&
         apt-get -c "$work/apt.conf" -qq --download-only install "${tree_packages[@]}"; } >"$work/log" 2>&1; then
    tail -n 15 "$work/log" >&2
    die "apt could not fetch the packages (its messages are above)" \
      "check that 'apt-get update' works on this host; or use a container engine"
  fi
  tree_unpack "$work"
  mkdir "$work/root/bin"
  for program in "$work/root/$dir"/bin/*; do
    name=${program##*/}
    mv "$program" "$program.elf"
    tree_wrap "$work/root" "$dir/bin/$name" "$dir/bin/$name.elf"
    # The clients are wanted on PATH next to sqlite3, without the host's older ones winning.
    case $name in psql|pg_*|createdb|dropdb|vacuumdb) tree_wrap_again "$work/root" "$dir/bin/$name" ;; esac
  done
  for program in usr/bin/sqlite3 usr/sbin/mosquitto usr/bin/mosquitto_{pub,sub,rr}; do
    tree_wrap "$work/root" "bin/${program##*/}" "$program"
  done
  { "$work/root/bin/sqlite3" -version && "$work/root/$dir/bin/postgres" --version &&
    "$work/root/bin/psql" --version; } >/dev/null ||
    die "the unpacked programs do not run on this host" "please report it with the lines above; or use a container engine"
  mv -T "$work/root" "$tree"
  rm -rf "$work"
}

# A second door to a wrapper that stands elsewhere in the tree.
tree_wrap_again() { # tree wrapper
  printf '#!/bin/sh\nh=$(CDPATH="" cd -- "$(dirname -- "$0")" && pwd -P) || exit 127\nexec "${h%%/*}/%s" "$@"\n' \
    "$2" > "$1/bin/${2##*/}"
  chmod 755 "$1/bin/${2##*/}"
}

tree_ready() {
  tree_paths
  if [ ! -d "$tree" ]; then
    # Postgres reads the host's zone files whatever the tree holds; every zone test would fail without.
    [ -e /usr/share/zoneinfo/Europe/Berlin ] || die "/usr/share/zoneinfo has no time zones" "install the package tzdata"
    mkdir -p "$cache" 2>/dev/null || true
    [ -w "$cache" ] || die "cannot write to the cache folder $cache" \
      "name another one in MILLSTREAM_DEV_CACHE"
    { flock 8
      [ -d "$tree" ] || tree_make
    } 8>"$cache/lock"
  fi
  # Asked each time, since the cache may be shared and made by somebody else: can the servers' user get there?
  [ "${#as[@]}" = 0 ] || "${as[@]}" test -x "$pg_bin/postgres" || die \
    "the user nobody, as whom Postgres runs here, cannot reach $tree" \
    "set MILLSTREAM_DEV_CACHE to a folder that everybody may enter"
}
