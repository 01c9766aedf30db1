# What the scripts share about the machine: finding Postgres, installing packages. Sourced, not run.

say() { printf '%s\n' "$*"; }

# Says what is wrong and how to mend it, and ends the script.
fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# The commands that follow as root, by sudo where we aren't.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        fail "needs root for: $* (run it as root, or install sudo)"
    fi
}

# Installs packages of the system, one name for each of apt, dnf and brew; '-' where that one needs
# none. The first argument says what for.
install_packages() {
    local why=$1 apt=$2 dnf=$3 brew=$4
    if has apt-get; then
        [ "$apt" = - ] && return
        say "installing $apt with apt-get: $why"
        as_root apt-get update -qq
        # shellcheck disable=SC2086 # several packages stand in one argument
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends $apt
    elif has dnf; then
        [ "$dnf" = - ] && return
        say "installing $dnf with dnf: $why"
        # shellcheck disable=SC2086
        as_root dnf install -y -q $dnf
    elif has brew; then
        [ "$brew" = - ] && return
        say "installing $brew with brew: $why"
        # Homebrew refuses to be run as root.
        # shellcheck disable=SC2086
        brew install --quiet $brew
    else
        fail "found none of apt-get, dnf and brew to install with: $why"
    fi
}

# The folder with initdb, postgres, pg_ctl and psql of the newest version that Freehold runs on
# (15), from FREEHOLD_PG_BIN, PATH and where packages put them. Empty where there is none.
postgres_bin() {
    local folders dir major best='' best_major=14
    if [ -n "${FREEHOLD_PG_BIN:-}" ]; then
        folders=("$FREEHOLD_PG_BIN")
    else
        local postgres
        postgres=$(command -v postgres || true)
        folders=(
            ${postgres:+"$(dirname "$(readlink -f "$postgres")")"}
            /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/bin /usr/local/bin
            /usr/local/pgsql/bin /opt/homebrew/opt/postgresql*/bin
            /usr/local/opt/postgresql*/bin /home/linuxbrew/.linuxbrew/opt/postgresql*/bin
        )
    fi
    for dir in "${folders[@]}"; do
        [ -x "$dir/initdb" ] && [ -x "$dir/pg_ctl" ] && [ -x "$dir/postgres" ] || continue
        major=$("$dir/postgres" --version | sed -E 's/.*\(PostgreSQL\) ([0-9]+).*/\1/')
        if [ "$major" -gt "$best_major" ]; then
            best=$dir best_major=$major
        fi
    done
    printf '%s' "$best"
}

# Makes sure of Postgres' programs. They are all that is used: Freehold runs a server of its own,
# and the one that some packages start beside it is left alone.
ensure_postgres() {
    [ -n "$(postgres_bin)" ] && return
    [ -z "${FREEHOLD_PG_BIN:-}" ] ||
        fail "FREEHOLD_PG_BIN=$FREEHOLD_PG_BIN holds no initdb, pg_ctl and postgres of version 15 or newer"
    install_packages 'Freehold keeps its data in Postgres (15 or newer)' \
        postgresql 'postgresql-server postgresql' postgresql@17
    [ -n "$(postgres_bin)" ] ||
        fail 'the system offers no Postgres of version 15 or newer: install one (https://www.postgresql.org/download/) and set FREEHOLD_PG_BIN to the folder that holds initdb'
}

# The browser that tests drive: Playwright's Python package brings none.
ensure_chromium() {
    local name
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        has "$name" && return
    done
    install_packages 'tests drive the consoles in a real browser' chromium chromium chromium
}
