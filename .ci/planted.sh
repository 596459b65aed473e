# Sourced by the checks beside it: every check first proves that it can fail.

# A directory of our own, removed at the end.
planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT

# A copy of the installed package, to plant violations in. Sets $planted/storno.
copy_installed_package() {
    local installed
    installed=$(.venv-wheel/bin/python -I -c 'import storno; print(storno.__path__[0])')
    case $installed in
        */site-packages/storno) cp -r "$installed" "$planted/storno" ;;
        *) echo "error: .venv-wheel holds no installed storno, but $installed" >&2 && return 1 ;;
    esac
}

# expect_found PATTERN COUNT COMMAND...: the command must fail, and say PATTERN in COUNT lines.
expect_found() {
    local pattern=$1 count=$2 found
    shift 2
    if "$@" >"$planted/output" 2>&1; then
        echo "error: a planted violation went unseen by: $*" >&2
        return 1
    fi
    found=$(grep -c -E -- "$pattern" "$planted/output" || true)
    if [ "$found" -ne "$count" ]; then
        grep -v -E -- "$pattern" "$planted/output" | tail -n 40 >&2 || true
        echo "error: of $count planted violations $found were found (/$pattern/) by: $*" >&2
        return 1
    fi
}
