# Completion of patchbay for bash. Words come from the command itself.

# What `patchbay list [$1]` names, or nothing.
_patchbay_names()
{
    patchbay list ${1:+"$1"} 2>/dev/null | sed -n 's/^  \([^ ]*\).*/\1/p'
}

_patchbay_options()
{
    patchbay "$1" --help 2>/dev/null | sed -n 's/^  \(-., \)\?\(--[a-z-]*\).*/\2/p'
}

# Names of the parameters of a machine, with an equals sign.
_patchbay_parameters()
{
    patchbay describe "$1" 2>/dev/null |
        sed -n '/^parameters/,/^$/s/^  \([^ ]*\) .*/\1=/p'
}

# The first word behind the command that is neither an option nor an option's argument: the machine.
# bash takes --set=ram=1GiB for five words.
_patchbay_machine()
{
    local i word flags=' --snapshot --deterministic --no-reboot --perf-map --gdb-jit --gdb-wait --gdb-default -s -S --statistics --check --dump-yaml --help '

    for ((i = 2; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word != -* ]]; then
            printf '%s\n' "$word"
            return
        fi
        [[ $flags == *" $word "* || ${COMP_WORDS[i + 1]} == = ]] || ((i++))
        while [[ ${COMP_WORDS[i + 1]} == = ]]; do
            ((i += 2))
        done
    done
}

_patchbay()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]-} words=

    COMPREPLY=()
    # bash takes --option=value for three words.
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]] && ((COMP_CWORD > 2)); then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if ((COMP_CWORD == 1)); then
        words="$(patchbay --help 2>/dev/null | sed -n 's/^  \([a-z]*\)  .*/\1/p') --help --version"
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
        return
    fi
    case $previous in
    --kernel | --initrd | --dtb | --firmware | --drive | --log-file | --load | --save-at | --symbols)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --jitdump)
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    --set)
        words=$(_patchbay_parameters "$(_patchbay_machine)")
        compopt -o nospace
        ;;
    --accel) words=$(_patchbay_names accels) ;;
    --serial) words=$(_patchbay_names backends | sed -n 's|^chardev/||p') ;;
    --net) words=user ;;
    --log) words='guest unimp int mmio exec in_asm ir passes code info' ;;
    --append | --attach | --hot | --log-filter | --trace | --state-hash | --stop-at | --lockstep | --lockstep-every) return ;;
    *)
        if [[ $current == -* ]]; then
            words=$(_patchbay_options "$command")
        else
            case $command in
            run | check)
                words=$(_patchbay_names machines)
                mapfile -t COMPREPLY < <(compgen -f -X '!*.y*ml' -- "$current")
                ;;
            list) words=$(patchbay list 2>/dev/null | sed -n 's/^\([a-z]*\):$/\1/p') ;;
            describe) words=$(_patchbay_names) ;;
            report)
                words=missing
                ((COMP_CWORD > 2)) && words=$(_patchbay_names)
                ;;
            new) words=device ;;
            esac
        fi
        ;;
    esac
    mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -o default -F _patchbay patchbay
