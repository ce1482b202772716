# Prints the names of one kind, as the settings and the ledger of this command line have them.
_reportferry_values() {
    local config=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == --config ]]; then
            # `=` is a word of its own.
            [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
            config=(--config "${COMP_WORDS[i + 1]}")
        fi
    done
    "${COMP_WORDS[0]}" "${config[@]}" complete "$1" 2>/dev/null
}

_reportferry_names() {
    local cur=$2 prev=$3 subcommand= kind= i list=
    [[ $cur == = ]] && cur=
    [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            @COMMANDS@) subcommand=${COMP_WORDS[i]}; break ;;
        esac
    done
    case $subcommand,$prev in
@OPTIONS@
        @WITH_VALUE@) ;;
        *) [[ $cur == -* ]] || case $subcommand in
@POSITIONAL@
        esac ;;
    esac
    if [[ -z $kind ]]; then
        _reportferry "$@"
        return
    fi
    # Of a list in commas, the last one is completed.
    [[ $cur == *,* ]] && list=${cur%,*},
    mapfile -t COMPREPLY < <(compgen -P "$list" -W "$(_reportferry_values "$kind")" -- "${cur##*,}")
}

if [[ ${BASH_VERSINFO[0]} -gt 4 || (${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4) ]]; then
    complete -F _reportferry_names -o nosort -o bashdefault -o default reportferry
else
    complete -F _reportferry_names -o bashdefault -o default reportferry
fi
