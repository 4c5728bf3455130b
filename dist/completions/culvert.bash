# bash completion for culvert(1)                         -*- shell-script -*-

# The options of culvert itself are listed here, and a test compares them with
# culvert --help.  Subcommands and their options are read from the program's own
# --help, so a new subcommand needs no change here.
#
# shellcheck disable=SC2207,SC2016  # the customs of bash-completion

_culvert_flags='-4 -6 -f -h -q -v --allow-tls --any-user --background --batch --fsync
    --help --no-cipher-order --no-concurrent-writes --no-confine --no-session --no-setstat --on-demand
    --read-only --version'
_culvert_valued='-F -J -L -R -c -i -l -o -p --allow --allow-path
    --client-address --client-charset --client-data-host --client-ports
    --deny --deny-path --drain --far-address --foreign-port
    --idle-exit --keepalive --link-wait --links --login --login-file
    --login-hosts --login-timeout
    --max-data --max-lines --max-logins --max-memory --max-per-address
    --max-sessions --max-window --metrics --rate --remote-newline --retry
    --server-data-host --server-mode --session-rate --sftp-channels
    --sftp-max-packet --sftp-requests --ssh --survive
    --survive-memory --transfer-log
    --transfer-log-format --upload --user'

# Completes the value of an option, where there is something to go by.
_culvert_value()
{
    case $1 in
        -F | -i | -f | --login-file)
            _filedir
            ;;
        --transfer-log)
            _filedir
            COMPREPLY+=($(compgen -W 'journal' -- "$cur"))
            ;;
        -J)
            _known_hosts_real -a -- "${cur##*,}"
            ;;
        -c)
            COMPREPLY=($(compgen -W '$(ssh -Q cipher 2>/dev/null)' -- "$cur"))
            ;;
        -l | --user)
            COMPREPLY=($(compgen -u -- "$cur"))
            ;;
        -o)
            COMPREPLY=($(compgen -S = -W 'BindAddress CertificateFile Ciphers
                Compression ConnectTimeout HostKeyAlias IdentitiesOnly
                IdentityAgent Port PreferredAuthentications ProxyCommand
                ProxyJump ServerAliveCountMax ServerAliveInterval
                StrictHostKeyChecking User UserKnownHostsFile' -- "$cur"))
            compopt -o nospace
            ;;
        --ssh)
            COMPREPLY=($(compgen -c -- "$cur"))
            ;;
        --client-charset)
            COMPREPLY=($(compgen -W '$(iconv -l 2>/dev/null |
                sed "s|//.*||")' -- "$cur"))
            ;;
        --login)
            COMPREPLY=($(compgen -W 'shared ssh' -- "$cur"))
            ;;
        --client-data-host)
            COMPREPLY=($(compgen -W 'command control' -- "$cur"))
            ;;
        --foreign-port)
            COMPREPLY=($(compgen -W 'refuse pass' -- "$cur"))
            ;;
        --remote-newline)
            COMPREPLY=($(compgen -W 'lf crlf none' -- "$cur"))
            ;;
        --retry)
            COMPREPLY=($(compgen -W 'forever never' -- "$cur"))
            ;;
        --server-data-host)
            COMPREPLY=($(compgen -W 'control reply' -- "$cur"))
            ;;
        --server-mode)
            COMPREPLY=($(compgen -W 'same passive active' -- "$cur"))
            ;;
        --transfer-log-format)
            COMPREPLY=($(compgen -W 'json xferlog' -- "$cur"))
            ;;
        --upload)
            COMPREPLY=($(compgen -W 'atomic in-place' -- "$cur"))
            ;;
    esac
}

# Prints the subcommands of that culvert.
_culvert_subcommands()
{
    "$1" --help 2>/dev/null |
        sed -n 's/^  *culvert \([a-z][a-z|-]*\)\( .*\)\{0,1\}$/\1/p' |
        tr '|' '\n' | sort -u
}

# Prints the tunnels of the file behind -f, or else the usual one.
_culvert_tunnels()
{
    local i file=()

    for ((i = 2; i < cword; i++)); do
        case ${words[i]} in
            -f)
                file=(-f "${words[i + 1]/#\~\//$HOME/}")
                ;;
            -f*)
                file=("${words[i]}")
                ;;
        esac
    done
    "${words[0]}" config "${file[@]}" 2>/dev/null |
        sed -n 's/^\[tunnel \(.*\)\]$/\1/p'
}

# Prints the options of a help text, each with what it takes: "-f FILE".
_culvert_options_of()
{
    awk 'match($0, /[^ ]/) <= 7 && /^ +-/ {
        sub(/^ +/, "")
        sub(/  .*/, "")
        n = split($0, word, /[ ,]+/)
        takes = word[n] ~ /^-/ ? "" : word[n]
        for (i = 1; i <= n; i++)
            if (word[i] ~ /^-/)
                print word[i], takes
    }' <<<"$1"
}

_culvert_destination()
{
    local i config=()

    for ((i = 1; i < cword; i++)); do
        [[ ${words[i]} == -F ]] && config=(-F "${words[i + 1]}")
    done
    _known_hosts_real -a "${config[@]}" -- "$cur"
}

# Completes behind "culvert SUBCOMMAND".
_culvert_of_subcommand()
{
    local help usage options option value takes=

    help=$("${words[0]}" "${words[1]}" --help 2>/dev/null)
    usage=${help%%$'\n\n'*}
    options=$(_culvert_options_of "$help")
    if [[ $prev == -* ]]; then
        while read -r option value; do
            [[ $option == "$prev" ]] && takes=$value
        done <<<"$options"
    fi
    if [[ $usage == *'[options]'* ]]; then # those of culvert, too
        if _culvert_is_valued; then
            _culvert_value "$prev"
            return
        fi
        options+=" $_culvert_flags $_culvert_valued"
    fi
    case $takes in
        FILE* | SOCKET*)
            _filedir
            ;;
        *[a-z]\|[a-z]*)
            COMPREPLY=($(compgen -W "${takes//|/ }" -- "$cur"))
            ;;
        '')
            if [[ $cur == -* ]]; then
                COMPREPLY=($(compgen -W "$options" -- "$cur"))
                return
            fi
            if [[ $usage == *'] FILE'* ]]; then
                _filedir
            fi
            if [[ $usage == *NAME* ]]; then
                COMPREPLY=($(compgen -W '$(_culvert_tunnels)' -- "$cur"))
            fi
            if [[ $usage == *destination* ]]; then
                _culvert_destination
            fi
            ;;
    esac
}

# Does the word before take a value?
_culvert_is_valued()
{
    [[ " ${_culvert_valued//[[:space:]]/ } " == *" $prev "* ]]
}

_culvert()
{
    local cur prev words cword split subcommands

    _init_completion -s -n : || return
    subcommands=$(_culvert_subcommands "${words[0]}")
    if ((cword > 1)) && grep -qxFe "${words[1]}" <<<"$subcommands"; then
        _culvert_of_subcommand
        return
    fi
    if _culvert_is_valued; then
        _culvert_value "$prev"
        return
    fi
    $split && return
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$_culvert_flags $_culvert_valued" -- "$cur"))
        return
    fi
    if ((cword == 1)); then
        COMPREPLY=($(compgen -W "$subcommands" -- "$cur"))
    fi
    _culvert_destination
} &&
    complete -F _culvert culvert
