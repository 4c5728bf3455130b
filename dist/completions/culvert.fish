# fish completion for culvert(1)

# The options of culvert itself are listed here, and a test compares them with
# culvert --help.  Subcommands and their options are read from the program's own
# --help, so a new subcommand needs no change here.

function __culvert_subcommands
    set -l program (commandline -opc)[1]
    $program --help 2>/dev/null |
        string replace -rf '^ +culvert ([a-z][a-z|-]*)( .*)?$' '$1' |
        string split '|' | sort -u
end

# Is the first word a subcommand?
function __culvert_in_subcommand
    set -l words (commandline -opc)
    test (count $words) -gt 1
    and contains -- $words[2] (__culvert_subcommands)
end

# Is the destination, or the subcommand, still to come?
function __culvert_is_first
    test (count (commandline -opc)) -eq 1
end

function __culvert_help_of_subcommand
    set -l words (commandline -opc)
    $words[1] $words[2] --help 2>/dev/null
end

# The lines of how it is used.
function __culvert_usage_of_subcommand
    __culvert_help_of_subcommand | string match -r -- '^(?:usage:| +culvert ).*'
end

# Its options: OPTION<tab>what it takes<tab>what it is.
function __culvert_options_of_subcommand
    __culvert_help_of_subcommand | awk 'match($0, /[^ ]/) <= 7 && /^ +-/ {
        sub(/^ +/, "")
        what = $0
        if (!sub(/^.*[^ ]  +/, "", what))
            what = ""
        sub(/  .*/, "")
        n = split($0, word, /[ ,]+/)
        takes = word[n] ~ /^-/ ? "" : word[n]
        for (i = 1; i <= n; i++)
            if (word[i] ~ /^-/)
                printf "%s\t%s\t%s\n", word[i], takes, what
    }'
end

# May options of culvert itself stand here?
function __culvert_takes_options
    not __culvert_in_subcommand
    or __culvert_usage_of_subcommand | string match -q -- '*[options]*'
end

# Behind "culvert SUBCOMMAND", what its --help says.
function __culvert_of_subcommand
    set -l words (commandline -opc)
    set -l options (__culvert_options_of_subcommand)
    set -l last (string escape --style=regex -- $words[-1])
    set -l takes (string replace -rf -- "^$last\t([^\t]+)\t.*" '$1' $options)
    if string match -qr '^(FILE|SOCKET)' -- "$takes"
        __fish_complete_path (commandline -ct)
    else if string match -qr '[a-z]\|[a-z]' -- "$takes"
        string split '|' -- $takes
    else if test -n "$takes"
        return
    else if string match -q -- '-*' (commandline -ct)
        string replace -r '\t.*\t' '\t' -- $options
    else
        set -l usage (__culvert_usage_of_subcommand)
        string match -q -- '*] FILE*' $usage
        and __fish_complete_path (commandline -ct)
        string match -q -- '*NAME*' $usage
        and __culvert_tunnels
        string match -q -- '*destination*' $usage
        and __fish_complete_user_at_hosts
    end
end

function __culvert_tunnels
    set -l words (commandline -opc)
    set -l file (string match -r -- '^-f.+' $words)
    set -l at (contains -i -- -f $words)
    and set file -f (string replace -r '^~/' "$HOME/" -- $words[(math $at + 1)])
    $words[1] config $file 2>/dev/null |
        string replace -rf '^\[tunnel (.*)\]$' '$1\ttunnel'
end

complete -c culvert -f
complete -c culvert -n __culvert_is_first -a '(__culvert_subcommands)' -d subcommand

complete -c culvert -n __culvert_in_subcommand -a '(__culvert_of_subcommand)'

complete -c culvert -n 'not __culvert_in_subcommand' -a '(__fish_complete_user_at_hosts)' -d destination

set -l plain -c culvert -n __culvert_takes_options
complete $plain -s 4 -d 'Use IPv4 to the SSH server'
complete $plain -s 6 -d 'Use IPv6 to the SSH server'
complete $plain -s F -r -F -d 'Configuration file of ssh'
complete $plain -s J -x -a '(__fish_complete_user_at_hosts)' -d 'Jump hosts of ssh'
complete $plain -s L -x -d 'Listen on this host for clients of that FTP server, or of the SFTP server'
complete $plain -s R -x -d 'Let the SSH server listen for clients of that FTP server'
complete $plain -s c -x -a '(ssh -Q cipher)' -d Ciphers
complete $plain -s i -r -F -d 'Private key'
complete $plain -s l -x -a '(__fish_complete_users)' -d 'User on the SSH server'
complete $plain -s o -x -d 'Option of ssh_config'
complete $plain -s p -x -d 'Port of the SSH server'
complete $plain -s q -d 'Print only errors'
complete $plain -s v -d 'Print more; again for FTP commands, and for ssh'
complete $plain -l allow -x -d 'FTP clients of this address or network may connect'
complete $plain -l allow-path -x -d 'Permit only paths like /pub/*'
complete $plain -l allow-tls -d 'Pass AUTH TLS on to the server'
complete $plain -l any-user -d 'Over loopback accept any user of this host'
complete $plain -l batch -d 'Never ask for passwords or host keys'
complete $plain -l client-address -x -d 'Put this address into replies to PASV'
complete $plain -l client-charset -x -a '(iconv -l | string replace -r "//.*" "")' -d 'Character set of file names for clients'
complete $plain -l client-data-host -x -a 'command control' -d 'Where to make data connections to the client'
complete $plain -l client-ports -x -d 'Use only these ports for passive data connections'
complete $plain -l deny -x -d 'Refuse this FTP command'
complete $plain -l deny-path -x -d 'Refuse paths that match, and what is below them'
complete $plain -l drain -x -d 'At SIGTERM let transfers end first'
complete $plain -l far-address -x -d 'The SSH server\'s address for active mode of other hosts'
complete $plain -l foreign-port -x -a 'refuse pass' -d 'What to do with PORT to another host or below 1024'
complete $plain -l fsync -d 'An upload is complete when it is on the SFTP server\'s disk'
complete $plain -l idle-exit -x -d 'With --on-demand: disconnect so long after the last client has gone'
complete $plain -l keepalive -x -d 'Send NOOP when a session was idle for so long'
complete $plain -l link-wait -x -d 'How long a client waits for the SSH connection'
complete $plain -l links -x -d 'Use up to so many SSH connections'
complete $plain -l login -x -a 'shared ssh' -d 'Whose account the clients of the SFTP gateway use'
complete $plain -l login-hosts -x -d 'Hosts to which FTP clients may log in by SSH'
complete $plain -l login-file -r -F -d 'Who may log in to the SFTP gateway'
complete $plain -l login-timeout -x -d 'End a session without a login after so long'
complete $plain -l max-data -x -d 'Most data connections of a session at a time'
complete $plain -l max-lines -x -d 'Most commands of a session per second'
complete $plain -l max-logins -x -d 'Most sessions without a login'
complete $plain -l max-memory -x -d 'Largest sum of all receive windows'
complete $plain -l max-per-address -x -d 'Most control connections from one client address'
complete $plain -l max-sessions -x -d 'Most control connections at a time'
complete $plain -l max-window -x -d 'Largest receive window of a data connection'
complete $plain -l no-cipher-order -d 'Leave ssh\'s order of ciphers as it is'
complete $plain -l no-confine -d 'No Landlock and no seccomp filter'
complete $plain -l no-session -d 'Start no program on the SSH server'
complete $plain -l no-concurrent-writes -d 'Write each part of a file after the last one is stored'
complete $plain -l no-setstat -d 'Set no times and no modes of files'
complete $plain -l survive-memory -x -d 'Memory for uploads that outlive the SSH connection'
complete $plain -l survive -x -d 'How long sessions outlive the SSH connection'
complete $plain -l on-demand -d 'Connect when the first client comes'
complete $plain -l rate -x -d 'Bytes per second of a tunnel'
complete $plain -l read-only -d 'Permit only FTP commands that change nothing'
complete $plain -l remote-newline -x -a 'lf crlf none' -d 'Line ends of text files on the SFTP server'
complete $plain -l retry -x -a 'forever never' -d 'How often to try to reconnect'
complete $plain -l server-data-host -x -a 'control reply' -d 'Where to make data connections to the server'
complete $plain -l server-mode -x -a 'same passive active' -d 'Mode toward the server'
complete $plain -l session-rate -x -d 'Bytes per second of a session'
complete $plain -l sftp-channels -x -d 'SFTP channels of an upload'
complete $plain -l sftp-max-packet -x -d 'Bytes of a READ or WRITE'
complete $plain -l sftp-requests -x -d 'READs of a download at a time'
complete $plain -l ssh -x -a '(__fish_complete_command)' -d 'Run this program instead of ssh'
complete $plain -l metrics -x -d 'Serve counters for Prometheus'
complete $plain -l transfer-log -r -F -a journal -d 'Add a line for each transfer'
complete $plain -l transfer-log-format -x -a 'json xferlog' -d 'Format of these lines'
complete $plain -l upload -x -a 'atomic in-place' -d 'How uploads are stored on the SFTP server'
complete $plain -l user -x -a '(__fish_complete_users)' -d 'Become this user after binding ports'
complete $plain -s f -l background -d 'Go to the background when connected'
complete $plain -s h -d 'Print the most important options'
complete $plain -l help -d 'Print all options'
complete $plain -l version -d 'Print the version'
