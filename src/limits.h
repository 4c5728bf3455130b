/*
 * Every maximum that peers can reach, and every time-out, with its reason.  The
 * maximum length of a text that culvert makes is where the text is made.
 */
#ifndef LIMITS_H
#define LIMITS_H

/* ---- control connections ---- */

/* Longest command line, in bytes.  culvert refuses a longer one with 500. */
#define LIMIT_COMMAND_LINE 8192

/* Longest reply line that culvert examines; a longer one passes unexamined. */
#define LIMIT_REPLY_LINE 8192

/* Most bytes that culvert has read from one side of a session and not yet
 * processed. */
#define LIMIT_CONTROL_INPUT (512 * 1024)

/* With more unprocessed bytes than this, culvert stops reading from that side
 * of the session. */
#define LIMIT_CONTROL_PAUSE (16 * 1024)

/* Commands without a reply yet.  At this number culvert stops reading from the
 * client.  It is large because some servers answer NOOPs only after the
 * transfer, which may take an hour. */
#define LIMIT_PENDING 256

/* Data connections of a session at a time: one in use, one requested but not
 * used yet, and those of pipelined commands. */
#define LIMIT_SESSION_DATA 4

/* Lines per second that culvert takes from a client; further lines wait.
 * --max-lines changes it.  Over loopback, a client that waits for each reply
 * sends a few thousand at most, one that does not wait some tens of thousands.
 */
#define LIMIT_LINES 1000

/* Sessions at a time; --max-sessions changes it. */
#define LIMIT_SESSIONS 256

/* While fewer connections than this are being closed, a client that is refused
 * gets a reply.  Beyond that it is reset, so that descriptors remain for the
 * clients that are accepted. */
#define LIMIT_TURNED_AWAY 64

/* culvert does not start with fewer descriptors: libuv would abort, or a stage
 * of the confinement would fail. */
#define LIMIT_DESCRIPTORS_LEAST 64

/* When standard error is full, the log waits at most LIMIT_LOG_WAIT_MS for its
 * reader, and at most once per LIMIT_LOG_WAIT_EVERY_MS: 2 % of the time. */
#define LIMIT_LOG_WAIT_MS 20
#define LIMIT_LOG_WAIT_EVERY_MS 1000
/* How long the log waits for that reader at the end of the process. */
#define LIMIT_LOG_END_MS 500

/* Warnings that peers can provoke, per session or tunnel: LIMIT_LOG_WARNINGS
 * are logged at once, then one per LIMIT_LOG_WARNING_MS.  The others are only
 * counted. */
#define LIMIT_LOG_WARNINGS 20
#define LIMIT_LOG_WARNING_MS 10000

/* Lines of one ssh process are limited by their kind; this many kinds are
 * distinguished.  ssh repeats only a few. */
#define LIMIT_SSH_LINE_KINDS 16
/* Lines of one ssh process that are logged at once, of all kinds together: a
 * banner, or what ssh -v prints when it connects.  Beyond that they are limited
 * as warnings are, because peers can choose words that make lines differ. */
#define LIMIT_SSH_LINES 250

/* ---- streams ---- */

/* When the queue of one stream exceeds LIMIT_HIGH_WATER bytes, culvert stops
 * reading from the stream on the other side, until the queue has fallen to
 * LIMIT_LOW_WATER. */
#define LIMIT_HIGH_WATER (512 * 1024)
#define LIMIT_LOW_WATER (128 * 1024)

/* Bytes of a download that culvert reads after ABOR although the client does
 * not take them.  pure-ftpd does not see the ABOR while its data connection is
 * full. */
#define LIMIT_ABORT_SLACK (4 * 1024 * 1024)

/* The read buffer; the whole process has one. */
#define LIMIT_READ_CHUNK (256 * 1024)

/* stream_write() fails if more bytes than this would be queued: its caller has
 * ignored the high-water mark. */
#define LIMIT_STREAM_QUEUE (16 * 1024 * 1024)

/* How long stream_finish() waits for the peer to end its direction, too.  When
 * culvert ends, it waits no longer than this even for a peer that still takes
 * bytes. */
#define LIMIT_LINGER_MS 2000

/* How long stream_finish() waits for a peer that takes no byte of the queue. */
#define LIMIT_FINISH_QUIET_MS 60000

/* A connection that cannot be accepted, because no descriptor is left, waits in
 * the kernel; culvert tries again after this time. */
#define LIMIT_ACCEPT_PAUSE_MS 200
/* A shortage of descriptors or memory is logged once per this time. */
#define LIMIT_SHORTAGE_TOLD_MS 60000

/* ---- the link ---- */

/* Destinations of one process, and SSH connections to each (--links). */
#define LIMIT_DESTINATIONS 64
#define LIMIT_LINKS 16

/* A further link is closed when it has carried nothing for this time.
 * Otherwise a NAT device may forget it, and the next transfer would hang. */
#define LIMIT_LINK_IDLE_MS 60000
/* When a further link was lost or could not be opened, the pause before the
 * next attempt.  It doubles with each failure, up to the maximum. */
#define LIMIT_LINK_PAUSE_MS 1000
#define LIMIT_LINK_PAUSE_MAX_MS 300000

/* If nothing comes from sshd for this many seconds, ssh sends it a request.
 * After three requests without a reply (ServerAliveCountMax), ssh closes the
 * connection. */
#define LIMIT_SERVER_ALIVE_S 15

/* How long ssh may take to connect, up to the login (ConnectTimeout).  sshd
 * permits no more for the login (LoginGraceTime), and a jump host may ask for a
 * password meanwhile. */
#define LIMIT_SSH_CONNECT_S 120

/* How often culvert sends a request to the ssh process.  After three without a
 * reply, culvert ends ssh. */
#define LIMIT_SSH_WATCH_MS 15000

/* The first and the longest pause before an attempt to reconnect, unless a
 * client waits for the link. */
#define LIMIT_RECONNECT_PAUSE_MS 1000
#define LIMIT_RECONNECT_PAUSE_MAX_MS 60000
/* How long a client waits for the link; --link-wait changes it. */
#define LIMIT_LINK_WAIT_MS 10000
/* A link of --on-demand is closed when it was not used for this time;
 * --idle-exit changes it. */
#define LIMIT_IDLE_EXIT_MS 300000

/* Receive windows of channels, in bytes.  LIMIT_WINDOW_SMALL is that of a
 * control connection, and of each channel when memory is short. */
#define LIMIT_WINDOW_SMALL (128 * 1024)
/* LIMIT_WINDOW_FIRST is that of a data connection at its beginning, the same as
 * OpenSSH's. */
#define LIMIT_WINDOW_FIRST (2 * 1024 * 1024)
/* LIMIT_WINDOW_AHEAD is how much the window may exceed the measured number of
 * bytes that the path holds. */
#define LIMIT_WINDOW_AHEAD (4 * 1024 * 1024)
/* LIMIT_WINDOW_MAX is the largest window; --max-window changes it. */
#define LIMIT_WINDOW_MAX (64 * 1024 * 1024)

/* All windows together; --max-memory changes it. */
#define LIMIT_MEMORY (256 * 1024 * 1024)

/* Largest packet that culvert accepts on a channel (OpenSSH's
 * CHAN_TCP_PACKET_DEFAULT). */
#define LIMIT_CHANNEL_PACKET (32 * 1024)

/* Largest packet or message on a mux socket, and largest packet of SFTP
 * (OpenSSH's own are 256 KiB). */
#define LIMIT_WIRE_MESSAGE (256 * 1024)

/* If no reply of an SFTP server comes for so long, in seconds, its requests are
 * given up. */
#define LIMIT_SFTP_REPLY_S 60

/* A session of the gateway without requests sends one after so many seconds:
 * AWS Transfer ends a connection after 1800. */
#define LIMIT_SFTP_QUIET_S 300

/* A client that has stored a file so short a time before is expected to store
 * more. */
#define LIMIT_SPARE_MS 2000

/* How long the gateway holds the reply to PASV and EPSV: see session.c. */
#define LIMIT_GATEWAY_HOLD_MS 2

/* How many seconds a transfer of the gateway waits for its data connection,
 * which culvert's own engine makes at once. */
#define LIMIT_GATEWAY_DATA_S 10

/* The gateway's longest command, and the bytes of commands that wait while one
 * runs: culvert's own engine sends at most LIMIT_PENDING commands. */
#define LIMIT_GATEWAY_LINE (8 * 1024)
#define LIMIT_GATEWAY_INPUT (257 * 8 * 1024)

/* The longest listing of STAT, which waits in memory for the client. */
#define LIMIT_GATEWAY_STAT (1024 * 1024)

/* How long sessions of sftp/ outlive the SSH connection without --survive. */
#define LIMIT_SURVIVE_SFTP_MS (300 * 1000)

/* What is kept of a session for a new login (--survive), in locked memory: two
 * pages with what belongs to it.  A process may lock 8 MiB (RLIMIT_MEMLOCK). */
#define LIMIT_SETTINGS 8128

/* Bytes of a control connection that wait while a session is made again. */
#define LIMIT_RESUME_INPUT (256 * 1024)

/* Bytes of an upload that can be repeated after a loss: what ssh, sshd (a
 * window of 2 MiB), the sockets to the server (10 MiB by default) and the
 * server can hold. */
#define LIMIT_RESUME_KEPT (16 * 1024 * 1024)

/* The same for all uploads of a tunnel together (--survive-memory). */
#define LIMIT_SURVIVE_MEMORY (256 * 1024 * 1024)

/* After so long the FTP server is connected to again if it has refused to make
 * a session again. */
#define LIMIT_RESUME_RETRY_MS 2000

/* Bytes that wait in a stream inside the process.  Owners stop at
 * LIMIT_HIGH_WATER; but READs whose replies come in another order are passed on
 * together. */
#define LIMIT_PAIR (64 * 1024 * 1024)

/* Sessions of one gateway with a data connection that waits: each has a port.
 */
#define LIMIT_GATEWAY_PORTS 50000

/* Once a session is over, its SFTP channel stays for at most so many seconds,
 * until the server has answered, say, the removal of a temporary file. */
#define LIMIT_SFTP_SETTLE_S 10

/* When culvert stops, how long it waits for that before it ends ssh; and how
 * often it looks. */
#define LIMIT_STOP_SETTLE_MS 3000
#define LIMIT_STOP_LOOK_MS 10

/* Temporary files to be removed when the SSH connection is up again. */
#define LIMIT_LEFT_OVER 1000

/* SFTP channels for one upload; the session has one of them. */
#define LIMIT_SFTP_CHANNELS 16

/* The default of --sftp-channels.  sshd permits 10 sessions on a connection
 * (MaxSessions); others need some of them. */
#define LIMIT_SFTP_CHANNELS_DEFAULT 8

/* READs of the gateway at the same time: the default, as OpenSSH's sftp has,
 * and the most of --sftp-requests. */
#define LIMIT_SFTP_READS_DEFAULT 64
#define LIMIT_SFTP_READS 512

/* ... and the pieces in which their data may come. */
#define LIMIT_SFTP_READ_PARTS 4096

/* WRITEs without reply on one channel. */
#define LIMIT_SFTP_WRITES 1024

/* Bytes of an upload that one SFTP channel may have in flight before another
 * channel is opened: sshd's window of a channel is 2 MiB. */
#define LIMIT_SFTP_CHANNEL_FULL (1024 * 1024)

/* ... if no WRITE was answered sooner, in milliseconds.  Where replies come
 * sooner, one window is enough. */
#define LIMIT_SFTP_SPREAD_MS 5

/* Send buffer of a mux socket in the kernel.  With the default (208 KiB) ssh
 * would wait for culvert. */
#define LIMIT_MUX_QUEUE (512 * 1024)

/* Queue of a mux socket in culvert; if it grows beyond this, the link is lost.
 */
#define LIMIT_MUX_BACKLOG (4 * 1024 * 1024)

/* A write of at most this many bytes is sent before those of other channels
 * that wait for the mux socket. */
#define LIMIT_CHANNEL_SMALL 4096

/* Channels of a link at a time, for control and data connections each,
 * including those that are being closed. */
#define LIMIT_CHANNELS 4096

/* After this many refused channels culvert opens a new link: ssh keeps a record
 * of each refused channel until ssh ends, and it dies at 16384 channels and
 * records. */
#define LIMIT_MUX_REFUSALS 4000

/* Idle far listeners that each link keeps for reuse. */
#define LIMIT_IDLE_FORWARDS 8

/* How long culvert waits for what sshd prints in a session, to explain why it
 * has refused a forward. */
#define LIMIT_SESSION_WORDS_MS 5000

/* Longest line of ssh, in bytes. */
#define LIMIT_SSH_WORDS 2048

/* Bytes of the last lines of ssh that are kept for messages.  One line of
 * LOG_ESCAPED_MAX fits, and all together fit in a line of the log
 * (LOG_OUTPUT_MAX). */
#define LIMIT_SSH_KEPT 1024

/* Longest output of ssh -G that is used; it prints some 5000 bytes. */
#define LIMIT_SSH_CONFIG (64 * 1024)

/* Longest list of ciphers, with its NUL; ssh's own has 110 bytes. */
#define LIMIT_SSH_CIPHERS 1024

/* How long the main process waits until the monitor can take a request.  It
 * takes milliseconds unless the monitor hangs or the machine is overloaded. */
#define LIMIT_MONITOR_REQUEST_MS 5000

/* ---- logins that choose the SSH account ---- */

/* Bytes of the user and of the host; a name in DNS has at most 253. */
#define LIMIT_SSH_USER 128
#define LIMIT_SSH_HOST 255

/* Bytes of a password: the most that ssh takes from SSH_ASKPASS. */
#define LIMIT_SSH_PASSWORD 1023

/* Bytes of a question of ssh that are read; a server may send any number. */
#define LIMIT_ASKPASS_PROMPT 1024

/* Connections of such logins at a time.  Each is an ssh process of some 8 MiB.
 */
#define LIMIT_SSH_LOGINS 256

/* ... and those that are not logged in yet.  By default, sshd refuses
 * connections when 10 are not (MaxStartups). */
#define LIMIT_SSH_LOGINS_STARTING 8

/* How long a login may take. */
#define LIMIT_SSH_LOGIN_MS 60000

/* ---- SOCKS ---- */

/* Longest message of a SOCKS client: SOCKS 4A with a user and a name of 255
 * bytes each. */
#define LIMIT_SOCKS_MESSAGE 520

/* Connections of SOCKS clients that are in a handshake, or wait in BIND, in all
 * tunnels; and of one address. */
#define LIMIT_SOCKS_CLIENTS 1024
#define LIMIT_SOCKS_PER_ADDRESS 256

/* Time for the request of a SOCKS client, in milliseconds. */
#define LIMIT_SOCKS_REQUEST_MS 30000

/* How long a BIND waits for the server's data connection, in milliseconds: as
 * long as an unused listener (LIMIT_LISTENER_MS). */
#define LIMIT_SOCKS_BIND_MS 600000

/* Ports that SOCKS clients are told.  Nothing listens on them.  They are above
 * the ports that Linux gives to clients by default, so that a BIND has another
 * port than an active client that listens itself. */
#define LIMIT_SOCKS_PORT_LOW 61000
#define LIMIT_SOCKS_PORT_HIGH 65535

/* ---- logins at the gateway ---- */

/* Bytes of a login file, and of one of its lines. */
#define LIMIT_LOGIN_FILE (1024 * 1024)
#define LIMIT_LOGIN_LINE 4096

/* Passwords that are checked at a time.  Each takes a thread of libuv's pool,
 * which has four and looks up names as well, and 16 MiB of memory (yescrypt).
 */
#define LIMIT_LOGIN_CHECKS 2

/* A session ends after this many failed logins, as in proftpd and vsftpd. */
#define LIMIT_LOGIN_FAILURES 3

/* The delay of the reply after the first failure of an address.  It doubles
 * with each further one, up to the maximum, which is shorter than the time-outs
 * of clients.  Without a failure for LIMIT_LOGIN_FORGET_MS, it begins again. */
#define LIMIT_LOGIN_DELAY_MS 500
#define LIMIT_LOGIN_DELAY_MAX_MS 8000
#define LIMIT_LOGIN_FORGET_MS 300000
/* Addresses whose failures are remembered. */
#define LIMIT_LOGIN_ADDRESSES 256

/* ---- metrics ---- */

/* HTTP connections at a time; seconds without data after which one is closed;
 * bytes of memory that libmicrohttpd has for each. */
#define LIMIT_METRICS_CONNECTIONS 16
#define LIMIT_METRICS_S 30
#define LIMIT_METRICS_REQUEST 32768

/* When the exporter has ended by itself, the first and the longest pause before
 * it is started again. */
#define LIMIT_METRICS_PAUSE_MS 1000
#define LIMIT_METRICS_PAUSE_MAX_MS 60000

/* ---- the control socket ---- */

/* Connections to the control socket at a time, and bytes of a request. */
#define LIMIT_CONTROL_PEERS 16
#define LIMIT_CONTROL_REQUEST 4096

/* Reloads that wait while another one reads the configuration file. */
#define LIMIT_RELOADS 32

/* ---- configuration files ---- */

/* Depth of included files. */
#define LIMIT_INCLUDES 8

/* Bytes of all files together. */
#define LIMIT_CONFIG (1024 * 1024)

/* Listening sockets that the service manager passes to culvert: enough for all
 * addresses of all tunnels of some hundred destinations. */
#define LIMIT_ACTIVATED 256

/* Bytes of a tunnel's name. */
#define LIMIT_TUNNEL_NAME 32

/* The most preliminary replies (1yz) to one command that culvert check accepts.
 */
#define LIMIT_CHECK_PRELIMINARY 8

/* Lower user ids are those of services (SYS_UID_MAX of login.defs). */
#define LIMIT_SYSTEM_USERS 1000

/* Bytes of a ~/.netrc that culvert check reads. */
#define LIMIT_NETRC (64 * 1024)

/* ---- times, in milliseconds ---- */

/*
 * In active mode, three waits:
 * - for the server's data connection, while the reply to a transfer is held;
 * - for that reply, before culvert connects to the client;
 * - for the probe of a new far listener.
 */
#define LIMIT_HOLD_ACCEPT_MS 1000
/* In passive mode: how long culvert holds the first reply to an upload until
 * the client has connected.  Longer only for a client that connects after that
 * reply. */
#define LIMIT_HOLD_LOOK_UP_MS 1000
/* In active mode: how long culvert holds the reply to a transfer until it has
 * connected to the client. */
#define LIMIT_HOLD_DIAL_MS 10000

/* How long commands wait for the reply to a request that may have to be
 * repeated in another variant. */
#define LIMIT_UNSURE_MS 10000

/* Time for a complete greeting, beginning with the connection to the server, if
 * the server has sent at least something. */
#define LIMIT_GREETING_MS 30000
/* The same if the server has sent nothing.  It may be looking up the client's
 * name and sending an ident query, and each can take 30 s or more to fail. */
#define LIMIT_GREETING_SILENT_MS 120000
/* Lines and bytes of a banner before the greeting. */
#define LIMIT_GREETING_LINES 50
#define LIMIT_GREETING_BYTES 4096

/* Rules of a configuration file; each is compared with each, and with every
 * captured connection. */
#define LIMIT_RULES 256
/* Hosts, ports or users of one rule. */
#define LIMIT_RULE_WORDS 64

/* Commands of a client before USER, if its server depends on the user: clients
 * send AUTH, FEAT, SYST, HOST and the like, each once. */
#define LIMIT_PRELUDE_LINES 20

/* A server may leave out the last line of a multi-line reply, which RFC 959
 * requires.  The reply counts as finished this long after a line that is almost
 * certainly the next reply. */
#define LIMIT_UNFINISHED_MS 300
/* The same after a line that may be the next reply, or when the client waits
 * for culvert.  It is longer because a server may also pause within a reply. */
#define LIMIT_UNFINISHED_DOUBT_MS 2000

/* How long culvert holds a final reply while no data move and the data
 * connection does not end.  Then the transfer counts as cut. */
#define LIMIT_HOLD_QUIET_MS 10000

/* How long a cut transfer waits for its final reply after a second 150.  For a
 * download that was cut, pure-ftpd sends nothing after that 150. */
#define LIMIT_LAST_REPLY_MS 1000

/* The data may contain the end of the file (MODE B, MODE C, STRU R).  The
 * client has the file when no data have moved for this time after that end. */
#define LIMIT_FILE_END_MS 20

/*
 * A far client that ends its direction shows that sshd has passed on all of a
 * download.  Once ssh has all of it, culvert waits for that end as long as the
 * last LIMIT_FAR_HELD bytes have taken (about what ssh, sshd and their kernels
 * can hold), because the client or --rate may be slow; but at least
 * LIMIT_FAR_DELIVERY_MS, and at most LIMIT_FAR_DELIVERY_MAX_MS.
 */
#define LIMIT_FAR_DELIVERY_MS 2000
#define LIMIT_FAR_HELD (8 * 1024 * 1024)
#define LIMIT_FAR_DELIVERY_MAX_MS 60000

/* TCP keepalive: seconds without data until the first probe, seconds between
 * probes, and probes without an answer until the peer counts as dead.  Probes
 * also keep NAT devices from forgetting the connection. */
#define LIMIT_KEEPALIVE_IDLE_S 60
#define LIMIT_KEEPALIVE_INTERVAL_S 15
#define LIMIT_KEEPALIVE_COUNT 8

/* How long culvert waits for the data connection of a client that has begun a
 * transfer. */
#define LIMIT_CLIENT_CONNECT_MS 60000

/* The same if a connection has come and gone, and it is not known whose it was.
 * Probably it was the client's, and no other will come.  But a stranger must
 * not be able to end the transfer in this way, so the client has this time to
 * connect. */
#define LIMIT_UNKNOWN_MS 1000

/* An unused data listener for a client is closed after this time. */
#define LIMIT_LISTENER_MS 600000

/* How long culvert waits for the server to react to the client's ABOR.  Then it
 * ends the server's data connection. */
#define LIMIT_ABORT_MS 300

/* The same after the ABOR that culvert itself sends for a cut upload. */
#define LIMIT_CUT_UPLOAD_MS 10000

/*
 * culvert does not pass on the end of an upload at once, because the client may
 * have been killed: its kernel then ends its connections one after the other,
 * and the control connection would follow.  culvert waits for this part (1/4)
 * of the time that the data connection has existed, at most
 * LIMIT_UPLOAD_EOF_MAX_MS, and at least LIMIT_UPLOAD_EOF_MS plus one
 * millisecond for each LIMIT_UPLOAD_EOF_BYTES of the file, because a client
 * sends a small file in one write.  That minimum is at most
 * LIMIT_UPLOAD_EOF_LONG_MS; if both connections of the client come through sshd
 * and ssh, it is LIMIT_UPLOAD_EOF_LONG_MS.
 */
#define LIMIT_UPLOAD_EOF_PART 4
#define LIMIT_UPLOAD_EOF_MS 5
#define LIMIT_UPLOAD_EOF_MAX_MS 100
#define LIMIT_UPLOAD_EOF_BYTES 4096
#define LIMIT_UPLOAD_EOF_LONG_MS 50
/* How long culvert waits for a reset after a probe of the client.  It sends two
 * probes. */
#define LIMIT_PROBE_MS 500

/* Some SSH servers do not show whether a client has ended its data connection
 * or was killed.  Then the client's control connection must stay open this long
 * after the end of the data connection: ten times LIMIT_UPLOAD_EOF_LONG_MS,
 * which applies where the end is proven. */
#define LIMIT_UNPROVEN_MS 500

/* Time from the beginning of a session to the login, as in proftpd and vsftpd;
 * --login-timeout changes it. */
#define LIMIT_LOGIN_MS 300000

/* While culvert drains: how long it waits for a command without a reply, or for
 * a data connection that is not used. */
#define LIMIT_DRAIN_MS 10000
/* How often it checks whether its last session has ended. */
#define LIMIT_DRAIN_LOOK_MS 100

/* culvert exec: addresses of --capture, and names of --map.  A name may have
 * several addresses. */
#define LIMIT_EXEC_PATTERNS 256
#define LIMIT_EXEC_MAPS 64
/* Hosts and ports to which its command connects.  Each has a listener. */
#define LIMIT_EXEC_TARGETS 128
/* The last ports that were announced for a tunnel's data connections.  Its
 * command never connects to them without SSH. */
#define LIMIT_EXEC_DATA_PORTS 1024
/* How long its supervisor waits for the main process, which needs a millisecond
 * unless it is stopped. */
#define LIMIT_EXEC_ANSWER_MS 10000
/* How long it waits, on behalf of the command, for a listener on this host that
 * does not accept. */
#define LIMIT_EXEC_CONNECT_S 5

/* How often culvert -f checks whether all listeners are open.  Short, because
 * the user waits. */
#define LIMIT_BACKGROUND_LOOK_MS 20

/* sshd can close a channel after a second or more without traffic
 * (ChannelTimeout).  If a channel ends after at least this time without
 * traffic, the log names ChannelTimeout as a likely cause.  The time is less
 * than a second because culvert may see the last traffic later than sshd. */
#define LIMIT_IDLE_END_MS 900
/* If EOF and CLOSE of a channel come within this time, the SSH server has sent
 * them together. */
#define LIMIT_AT_ONCE_MS 100

/* The most bytes of a connection through a remote forward that ssh can hold
 * while culvert does not read it: ssh's window, and what the sockets hold. */
#define LIMIT_BEHIND_STALL (4 * 1024 * 1024)

/* A second connection to a far listener within this time after a reply of the
 * server: the server may have made it before that reply. */
#define LIMIT_SECOND_MS 2000

/* How often culvert checks a client that has ended its direction of the control
 * connection, or that culvert does not read.  Without this check, culvert would
 * not notice that the client has reset the connection or closed its socket. */
#define LIMIT_CLIENT_LOOK_MS 5000
/* The session of such a client ends when the server has sent nothing and no
 * data have moved for this time, or for LIMIT_DRAIN_MS if culvert drains and
 * the client has ended its direction. */
#define LIMIT_HALF_CLOSED_MS 300000

/* Time for ssh -G.  Match exec and the look-up of names may be slow, or hang,
 * as they then do in ssh itself. */
#define LIMIT_SSH_CONFIG_MS 5000

/* How long culvert check waits for a connection.  --timeout sets this time, and
 * changes the others, except LIMIT_CHECK_SSH_MS, in proportion. */
#define LIMIT_CHECK_CONNECT_MS 10000
/* How long it waits for the first line of a server.  The server may look up the
 * client's name and send an ident query first, and each may take 30 s to fail.
 */
#define LIMIT_CHECK_GREETING_MS 45000
/* How long it waits for sshd to listen or connect.  The far side may spend
 * LIMIT_HOLD_DIAL_MS on testing whether the listener works. */
#define LIMIT_CHECK_SSHD_MS 15000
/* How long it waits for a reply.  vsftpd and PAM delay the reply to a wrong
 * password. */
#define LIMIT_CHECK_REPLY_MS 20000
/* How long it waits for the end of a listing whose data keep coming. */
#define LIMIT_CHECK_LISTING_MS 300000
/* How long it waits for the removal of its test files, also after a signal. */
#define LIMIT_CHECK_SETTLE_MS 5000
/* How long it waits for the SSH connection.  A user may have to type a
 * password. */
#define LIMIT_CHECK_SSH_MS 120000
/* Largest --timeout of culvert check, in seconds. */
#define LIMIT_CHECK_TIMEOUT_S 600

/* Time for ssh -G when a configuration is checked; Match exec may run
 * programs. */
#define LIMIT_SSH_TRY_MS 10000

/* Time from the first SIGTERM to ssh until SIGKILL, and how often SIGTERM is
 * sent in this time.  ssh misses a signal that comes just before it waits for
 * input on the terminal, and SIGKILL would then leave the terminal without
 * echo. */
#define LIMIT_SSH_STOP_MS 1000
#define LIMIT_SSH_STOP_TERMS 4

#endif
