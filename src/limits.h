/*
 * Every maximum that peers can reach, with its reason.  (How long a text of our
 * own may be stands beside it.)
 */
#ifndef LIMITS_H
#define LIMITS_H

/* ---- control connections ---- */

/* A line of more is ours to refuse (500); what is shorter, the server's. */
#define LIMIT_COMMAND_LINE 8192

/* A reply line of more goes through in pieces, not looked into. */
#define LIMIT_REPLY_LINE 8192

/* Control bytes read but not yet acted upon, per direction. */
#define LIMIT_CONTROL_INPUT (512 * 1024)

/* Above it the engine wants no more input in that direction. */
#define LIMIT_CONTROL_PAUSE (16 * 1024)

/* Commands sent to the server and not yet answered; then we stop reading.
 * Some servers answer an hour's NOOPs when the transfer is over. */
#define LIMIT_PENDING 256

/* Data connections of a session at one time: one in use, one answered but not
 * used, and those of pipelined commands. */
#define LIMIT_SESSION_DATA 4

/* Lines of a client in a second, unless --max-lines says otherwise; more wait.
 * A client that waits for each reply sends some thousands at most, over
 * loopback, one that does not some tens of thousands. */
#define LIMIT_LINES 1000

/* Sessions at one time, unless --max-sessions says otherwise. */
#define LIMIT_SESSIONS 256

/* So many connections may be on their way out when one more is turned away with
 * words; more are reset.  Else descriptors are short for those that are let
 * in. */
#define LIMIT_TURNED_AWAY 64

/* With fewer descriptors culvert does not start: libuv aborts, or the
 * confinement leaves out what it cannot open. */
#define LIMIT_DESCRIPTORS_LEAST 64

/* When standard error is full, the log gives its reader this long to make room,
 * and then not again for that long: 2 % of the time at most. */
#define LIMIT_LOG_WAIT_MS 20
#define LIMIT_LOG_WAIT_EVERY_MS 1000
/* ... and this long at the end of the process. */
#define LIMIT_LOG_END_MS 500

/* Warnings that a peer provokes, a session's or a tunnel's: that many at once
 * are logged ... */
#define LIMIT_LOG_WARNINGS 20
/* ... and then one in so long; the others are counted. */
#define LIMIT_LOG_WARNING_MS 10000

/* Kinds of lines of one ssh process, of which repeated ones are counted; ssh
 * repeats a few kinds only. */
#define LIMIT_SSH_LINE_KINDS 16
/* Lines of one ssh process that are logged at once, whatever their kinds: a
 * banner, or what ssh -v prints when it connects.  Then they are limited as
 * warnings are, since lines may differ in words that peers choose. */
#define LIMIT_SSH_LINES 250

/* ---- streams ---- */

/* A source stops while more than this is queued behind it ... */
#define LIMIT_HIGH_WATER (512 * 1024)
/* ... and goes on when no more than this is left. */
#define LIMIT_LOW_WATER (128 * 1024)

/* So much more is read of a download after ABOR than the client takes:
 * pure-ftpd does not see the ABOR while its data connection is full. */
#define LIMIT_ABORT_SLACK (4 * 1024 * 1024)

/* One read takes at most this; one buffer serves the whole process. */
#define LIMIT_READ_CHUNK (256 * 1024)

/* stream_write() refuses beyond it: an owner that ignores the marks. */
#define LIMIT_STREAM_QUEUE (16 * 1024 * 1024)

/* How long stream_finish() waits for the peer's end; when culvert ends, also
 * for a peer that takes what is queued. */
#define LIMIT_LINGER_MS 2000

/* ... and how long for a peer that does not take what is still queued. */
#define LIMIT_FINISH_QUIET_MS 60000

/* Without a descriptor for it a connection waits with the kernel, and is tried
 * again after this. */
#define LIMIT_ACCEPT_PAUSE_MS 200
/* That descriptors or memory are short is logged no more often than this. */
#define LIMIT_SHORTAGE_TOLD_MS 60000

/* ---- the link ---- */

/* Destinations of one process; and SSH connections to one, with --links. */
#define LIMIT_DESTINATIONS 64
#define LIMIT_LINKS 16

/* A further one that carried nothing for so long is closed, before a NAT on the
 * way forgets it and the next transfer hangs there ... */
#define LIMIT_LINK_IDLE_MS 60000
/* ... and when one could not be opened, or was lost, the next is tried after
 * this pause at the earliest, which doubles with each failure ... */
#define LIMIT_LINK_PAUSE_MS 1000
/* ... up to this. */
#define LIMIT_LINK_PAUSE_MAX_MS 300000

/* ssh asks sshd for a sign of life after so many seconds without one; after
 * three that do not come (ServerAliveCountMax) the connection is dead. */
#define LIMIT_SERVER_ALIVE_S 15

/* ssh has so long for the connection, up to the login (ConnectTimeout): sshd
 * itself gives nobody longer for that (LoginGraceTime), and a jump host may ask
 * for a password meanwhile. */
#define LIMIT_SSH_CONNECT_S 120

/* ssh itself is asked as often; after three times without an answer it is
 * ended. */
#define LIMIT_SSH_WATCH_MS 15000

/* A link that was lost is tried again after this at first, and at most after
 * this, unless a client waits for it ... */
#define LIMIT_RECONNECT_PAUSE_MS 1000
#define LIMIT_RECONNECT_PAUSE_MAX_MS 60000
/* ... which one does for so long, unless --link-wait says otherwise. */
#define LIMIT_LINK_WAIT_MS 10000
/* On demand, it ends when nobody has wanted it for so long (--idle-exit). */
#define LIMIT_IDLE_EXIT_MS 300000

/* Receive windows: the peer may send that much unasked.  Of a control
 * connection, and what each channel has even when memory is short ... */
#define LIMIT_WINDOW_SMALL (128 * 1024)
/* ... of a data connection at first (OpenSSH's own) ... */
#define LIMIT_WINDOW_FIRST (2 * 1024 * 1024)
/* ... so much more than the path itself holds, as far as that is known ... */
#define LIMIT_WINDOW_AHEAD (4 * 1024 * 1024)
/* ... and at most, unless --max-window says otherwise. */
#define LIMIT_WINDOW_MAX (64 * 1024 * 1024)

/* All windows together, unless --max-memory says otherwise. */
#define LIMIT_MEMORY (256 * 1024 * 1024)

/* Largest packet we accept on a channel (OpenSSH's CHAN_TCP_PACKET_DEFAULT). */
#define LIMIT_CHANNEL_PACKET (32 * 1024)

/* Largest packet or message on a mux socket (OpenSSH's own is 256 KiB). */
#define LIMIT_MUX_MESSAGE (256 * 1024)

/* So much may wait in the kernel for ssh to read; its default (208 KiB) makes
 * ssh wait for us. */
#define LIMIT_MUX_QUEUE (512 * 1024)

/* The queue of a mux socket never holds more; beyond it the link is lost. */
#define LIMIT_MUX_BACKLOG (4 * 1024 * 1024)

/* What a channel may send past others that wait for the mux socket. */
#define LIMIT_CHANNEL_SMALL 4096

/* Channels of a link at one time, for control and for data each, those not
 * quite closed included. */
#define LIMIT_CHANNELS 4096

/* ssh keeps a record of each refused channel until it ends, and is killed by
 * 16384 channels and records; from here on a fresh link is better. */
#define LIMIT_MUX_REFUSALS 4000

/* Idle far listeners kept for reuse, of each link. */
#define LIMIT_IDLE_FORWARDS 8

/* A forward that sshd has refused waits so long for what a session is told. */
#define LIMIT_SESSION_WORDS_MS 5000

/* Of a line of ssh, in bytes. */
#define LIMIT_SSH_WORDS 2048

/* Of its last lines that are kept for messages: one of LOG_ESCAPED_MAX, and
 * they with all around them are a line of the log (LOG_OUTPUT_MAX). */
#define LIMIT_SSH_KEPT 1024

/* What ssh -G prints (some 5000 bytes); of more, nothing is believed. */
#define LIMIT_SSH_CONFIG (64 * 1024)

/* A list of ciphers, its NUL included (ssh's own: 110). */
#define LIMIT_SSH_CIPHERS 1024

/* How long the main process waits until the monitor has room for a request; it
 * has within milliseconds unless it hangs, or the machine is overloaded. */
#define LIMIT_MONITOR_REQUEST_MS 5000

/* ---- metrics ---- */

/* Who may be connected at a time, how long, in seconds, without a word, and
 * bytes that libmicrohttpd has for each. */
#define LIMIT_METRICS_CONNECTIONS 16
#define LIMIT_METRICS_S 30
#define LIMIT_METRICS_REQUEST 32768

/* When the exporter has ended by itself, the pause before it is started again,
 * at least and at most. */
#define LIMIT_METRICS_PAUSE_MS 1000
#define LIMIT_METRICS_PAUSE_MAX_MS 60000

/* ---- the control socket ---- */

/* Who may be connected to it at a time, and bytes of a request. */
#define LIMIT_CONTROL_ASKERS 16
#define LIMIT_CONTROL_REQUEST 4096

/* ---- configuration files ---- */

/* How deep they may include each other. */
#define LIMIT_INCLUDES 8

/* Bytes of all that they say. */
#define LIMIT_CONFIG (1024 * 1024)

/* Listening sockets that a service manager has opened for us: all addresses of
 * all tunnels that some hundred destinations have. */
#define LIMIT_ACTIVATED 256

/* Bytes of a tunnel's name. */
#define LIMIT_TUNNEL_NAME 32

/* Preliminary replies (1yz) to one command that culvert check accepts. */
#define LIMIT_CHECK_PRELIMINARY 8

/* Users below it are those of services (SYS_UID_MAX of login.defs). */
#define LIMIT_SYSTEM_USERS 1000

/* Bytes of a ~/.netrc that culvert check reads. */
#define LIMIT_NETRC (64 * 1024)

/* ---- times, in milliseconds ---- */

/* A reply to a transfer waits this long for the server's data connection, the
 * dial of a client in active mode for the reply, and a new far listener for its
 * probe ... */
#define LIMIT_HOLD_ACCEPT_MS 1000
/* ... and such a reply this long for ours to the client, in active mode. */
#define LIMIT_HOLD_DIAL_MS 10000

/* Commands behind a PORT that may have to be sent again in another form wait
 * this long for its reply. */
#define LIMIT_UNSURE_MS 10000

/* So long after the connection to the server stands, a greeting is to have come
 * if anything has ... */
#define LIMIT_GREETING_MS 30000
/* ... and so long if nothing has: a server may look up a name, and ask for
 * ident, and each may take 30 s and more to fail. */
#define LIMIT_GREETING_SILENT_MS 120000
/* Lines, and bytes, that may come before it: a banner. */
#define LIMIT_GREETING_LINES 50
#define LIMIT_GREETING_BYTES 4096

/* A reply of several lines without the end that RFC 959 wants counts as ended
 * so long after a line that is the next reply by all that is known ... */
#define LIMIT_UNFINISHED_MS 300
/* ... and so long after one that may be, or with a client that waits for us.  A
 * server that is slow within a reply is not to be misunderstood. */
#define LIMIT_UNFINISHED_DOUBT_MS 2000

/* A final reply waits this long for data that neither moves nor ends; then
 * the transfer counts as cut. */
#define LIMIT_HOLD_QUIET_MS 10000

/* After a second 150 a transfer that is cut waits this long for its last reply:
 * that may have been it. */
#define LIMIT_LAST_REPLY_MS 1000

/* When the end of a file has come in its data, and nothing has moved for so
 * long, the client has it. */
#define LIMIT_FILE_END_MS 20

/* Once ssh has all of a download for a far client, the client has this long to
 * end its direction too, which shows that sshd holds nothing of it any more ...
 */
#define LIMIT_FAR_DELIVERY_MS 2000
/* ... or, if it or the rate is slow, as long as so many bytes have taken until
 * then, which is about what the two ends of ssh and their kernels hold, at most
 * ...
 */
#define LIMIT_FAR_HELD (8 * 1024 * 1024)
/* ... but no longer than this. */
#define LIMIT_FAR_DELIVERY_MAX_MS 60000

/* TCP asks an idle peer for a sign of life after so many seconds, which also
 * keeps a NAT on the way from forgetting the connection; and then again, so
 * often, before the peer counts as dead. */
#define LIMIT_KEEPALIVE_IDLE_S 60
#define LIMIT_KEEPALIVE_INTERVAL_S 15
#define LIMIT_KEEPALIVE_COUNT 8

/* A client that began a transfer has this long to connect. */
#define LIMIT_CLIENT_CONNECT_MS 60000

/* ... and so long when somebody has come and gone of whom nobody can tell
 * whether it was the client: what it does at the same time is there by then. */
#define LIMIT_UNKNOWN_MS 1000

/* A data listener toward a client that nobody used goes after this. */
#define LIMIT_LISTENER_MS 600000

/* After ABOR the server has this long before its data connection is ended. */
#define LIMIT_ABORT_MS 300

/* After our own ABOR for a cut upload it has this long. */
#define LIMIT_CUT_UPLOAD_MS 10000

/* The end of an upload waits for a sign that its client died, whose kernel ends
 * its connections one after the other: for one part in so many of the time that
 * the data connection has stood, but at least and at most so long ... */
#define LIMIT_UPLOAD_EOF_PART 4
#define LIMIT_UPLOAD_EOF_MS 5
#define LIMIT_UPLOAD_EOF_MAX_MS 100
/* ... and at least a millisecond more for so many bytes (what a client writes
 * at once is whole), up to this, which it takes at once where sshd stands
 * between, and the two ends come through sshd and ssh. */
#define LIMIT_UPLOAD_EOF_BYTES 4096
#define LIMIT_UPLOAD_EOF_LONG_MS 50
/* ... and this long for the reset that answers a probe, twice. */
#define LIMIT_PROBE_MS 500

/* With an SSH server that does not say whether a client has ended its data
 * connection or was killed, its control connection has to outlive that by so
 * much: ten times as long as where the end is proven. */
#define LIMIT_UNPROVEN_MS 500

/* So long after the beginning of a session somebody is to have logged in,
 * unless --login-timeout says otherwise: as proftpd and vsftpd have it. */
#define LIMIT_LOGIN_MS 300000

/* culvert ends when transfers have ended: a command that is not answered, or a
 * data connection that is not used, is waited for for so long. */
#define LIMIT_DRAIN_MS 10000
/* ... and whether the last session has ended is looked at so often. */
#define LIMIT_DRAIN_LOOK_MS 100

/* How often culvert -f looks whether all listeners listen.  Short, since the
 * user waits for it. */
#define LIMIT_BACKGROUND_LOOK_MS 20

/* sshd can close a channel after a second or more without traffic
 * (ChannelTimeout), which is a little less as seen from here: of an end after
 * that the log names it as a likely cause. */
#define LIMIT_IDLE_END_MS 900
/* An SSH server that closes a channel with the end of its data sends the two so
 * soon after each other. */
#define LIMIT_AT_ONCE_MS 100

/* What ssh may still have of a connection through a remote forward that was not
 * read: its window, and what sockets hold. */
#define LIMIT_BEHIND_STALL (4 * 1024 * 1024)

/* A second connection to a far listener so soon after a reply of the server may
 * be the one that the server has made before it. */
#define LIMIT_SECOND_MS 2000

/* A client that has ended its control connection, or is not read, is looked at
 * this often: a reset, and that its socket is closed, are seen only so. ... */
#define LIMIT_CLIENT_LOOK_MS 5000
/* ... If it lives, the session ends when for so long the server has said
 * nothing and no data have moved (LIMIT_DRAIN_MS when culvert drains and the
 * client has ended its direction). */
#define LIMIT_HALF_CLOSED_MS 300000

/* ssh -G has this long; Match exec and the look-up of names may take some of
 * it, or hang, as they then do in ssh itself. */
#define LIMIT_SSH_CONFIG_MS 5000

/* How long culvert check waits for a connection.  --timeout sets this one, and
 * changes the others, but for LIMIT_CHECK_SSH_MS, in proportion. */
#define LIMIT_CHECK_CONNECT_MS 10000
/* ... for the first line on it: a server may look up the client's name and send
 * an ident query before, and each may take 30 s to fail. */
#define LIMIT_CHECK_GREETING_MS 45000
/* ... for sshd to listen or connect: the far side may spend LIMIT_HOLD_DIAL_MS
 * on testing whether the listener works. */
#define LIMIT_CHECK_SSHD_MS 15000
/* ... for a reply: vsftpd and PAM delay the one to a wrong password. */
#define LIMIT_CHECK_REPLY_MS 20000
/* ... for a whole listing, as long as its data keep coming. */
#define LIMIT_CHECK_LISTING_MS 300000
/* ... for the SSH connection: a user may have to type a password. */
#define LIMIT_CHECK_SSH_MS 120000
/* Seconds that --timeout of culvert check takes at most. */
#define LIMIT_CHECK_TIMEOUT_S 600

/* ssh -G of a check of the configuration has this long; Match exec may run
 * something. */
#define LIMIT_SSH_TRY_MS 10000

/* After SIGTERM ssh has this long before SIGKILL.  Until then it is asked so
 * often: it misses a signal that comes just before it waits for an answer on
 * the terminal, and killed there it would leave the terminal without echo. */
#define LIMIT_SSH_STOP_MS 1000
#define LIMIT_SSH_STOP_ASKS 4

#endif
