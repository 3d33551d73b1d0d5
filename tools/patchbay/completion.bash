# Completion of patchbay for bash. Words come from the command itself.

_patchbay_names()
{
    # The first words of the indented lines of `patchbay list $1`.
    patchbay list "$1" 2>/dev/null | sed -n 's/^  \([^ ]*\).*/\1/p'
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

_patchbay()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]-} machine=${COMP_WORDS[2]-}

    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W 'run check list describe schema report new --help --version' -- "$current")
        return
    fi
    case $previous in
    --kernel | --initrd | --dtb | --firmware | --drive | --log-file | --load | --save-at)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --set)
        mapfile -t COMPREPLY < <(compgen -W "$(_patchbay_parameters "$machine")" -- "$current")
        compopt -o nospace
        return
        ;;
    --accel)
        mapfile -t COMPREPLY < <(compgen -W "$(_patchbay_names accels)" -- "$current")
        return
        ;;
    --serial)
        mapfile -t COMPREPLY < <(compgen -W 'stdio null pty file,path= tcp,port= unix,path=' -- "$current")
        return
        ;;
    --net)
        mapfile -t COMPREPLY < <(compgen -W 'user' -- "$current")
        return
        ;;
    --log)
        mapfile -t COMPREPLY < <(compgen -W 'guest unimp int mmio exec in_asm info' -- "$current")
        return
        ;;
    esac
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_patchbay_options "$command")" -- "$current")
        return
    fi
    case $command in
    run | check)
        mapfile -t COMPREPLY < <(compgen -W "$(_patchbay_names machines)" -- "$current"; compgen -f -X '!*.yaml' -- "$current")
        ;;
    list)
        mapfile -t COMPREPLY < <(compgen -W 'machines devices cpus accels backends loaders' -- "$current")
        ;;
    describe)
        mapfile -t COMPREPLY < <(compgen -W "$(patchbay list 2>/dev/null | sed -n 's/^  \([^ ]*\).*/\1/p')" -- "$current")
        ;;
    report)
        mapfile -t COMPREPLY < <(compgen -W 'missing' -- "$current")
        ;;
    new)
        mapfile -t COMPREPLY < <(compgen -W 'device' -- "$current")
        ;;
    esac
}

complete -o default -F _patchbay patchbay
