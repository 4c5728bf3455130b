/*
 * The gateway's core, inside.  Nobody else includes it.
 */
#ifndef GATEWAY_PRIV_H
#define GATEWAY_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ftp/line.h"
#include "ftp/path.h"
#include "gateway/gateway.h"
#include "gateway/list.h"
#include "gateway/status.h"
#include "limits.h"
#include "sftp/client.h"

struct rename;
struct spare;
struct task;

/* Why a task is told to stop.  It ends itself, and answers its command. */
enum task_stop {
	TASK_ABORTED,	   /* the client sent ABOR */
	TASK_DATA_LOST,	   /* the data connection, if it needs that */
	TASK_CONTROL_LOST, /* nobody gets the answer */
	TASK_FAILED,	   /* the session's channel is lost */
};

/* What a command that takes time does with events.  Each may be NULL but
 * stop. */
struct task_ops {
	void (*data)(struct task *, const struct iovec *, size_t);
	void (*ending)(struct task *);
	void (*eof)(struct task *);
	/* The data connection is open now. */
	void (*data_up)(struct task *);
	/* Once a second. */
	void (*tick)(struct task *);
	/* The data connection or a channel has sent what it had queued. */
	void (*room)(struct task *);
	void (*stop)(struct task *, enum task_stop);
	/* True: ABOR is too late, and waits.  NULL: never. */
	bool (*is_ending)(const struct task *);
	/* Channels but the session's. */
	void (*channel_ready)(struct task *, unsigned channel);
	void (*channel_lost)(struct task *, unsigned channel);
	/* All channels are lost; what was open there will be on channel 0. */
	void (*channels_moved)(struct task *);
	/* Channel 0 is complete again.  True: a file of the task is not what it
	 * was. */
	bool (*is_lost)(const struct task *);
	void (*yield)(struct task *);
	void (*free)(struct task *);
};

/* Embedded first in the struct of each kind of task.  A task is the ctx of its
 * requests. */
struct task {
	const struct task_ops *ops;
	struct gateway *gateway;
};

enum channel_state {
	CHANNEL_NONE,
	CHANNEL_OPENING, /* until the server's VERSION */
	CHANNEL_READY,
	CHANNEL_LOST, /* the owner has closed it */
	CHANNEL_AWAY, /* the same, and it will be opened again */
};

struct gateway_channel {
	struct gateway *gateway;
	unsigned number;
	enum channel_state state;
	bool stopped; /* channel_read() is off */
	struct sftp *sftp;
};

/* A command that needs one reply of the server, or a few in turn. */
struct simple {
	char *path, *second;
	struct sftp_attrs attrs;
	struct rename *rename;
};

struct gateway {
	const struct gateway_config *config;
	const struct gateway_handler *handler;
	void *ctx;
	enum {
		GATEWAY_CONNECTING, /* no greeting yet */
		GATEWAY_OPEN,
		GATEWAY_OVER, /* end() or fail() was called */
	} state;
	struct line_reader input;
	/* Offsets in it: of the first line that was not examined yet, and
	 * behind the last ABOR; 0: there is none. */
	size_t looked_at, abort_end;
	bool pumping, busy; /* a command is running */
	char *home, *cwd;   /* absolute; NULL: the server was not used yet */
	char *user;	    /* NULL: no USER yet */
	bool logged_in;
	bool logging_in; /* the login is allowed */
	/* What the login file says of the user: */
	char *jail; /* absolute, instead of home, and not to be left; or NULL */
	bool read_only;
	bool changes; /* the latest command changes something on the server */
	char type;    /* 'A' or 'I' */
	uint64_t restart;	 /* REST, for the next command */
	char *rename_from;	 /* RNFR, for the next command */
	unsigned facts;		 /* OPTS MLST */
	int umask;		 /* SITE UMASK; -1: the server's */
	struct charset *charset; /* of the config; NULL after OPTS UTF8 ON */
	enum {
		DATA_NONE,
		DATA_LISTENING,
		DATA_OPEN,
	} data;
	bool data_ending;  /* no more bytes come */
	bool data_eof;	   /* the client has ended it */
	bool data_reading; /* data_read() is on */
	struct gateway_channel channels[GATEWAY_CHANNELS];
	uint32_t n_connections; /* that channels have had */
	bool away;		/* channel 0 is lost, and not complete again */
	unsigned away_s;	/* since then, or the last reply before it */
	char away_why[256];
	struct task *task; /* NULL: none, or a simple command */
	struct simple simple;
	unsigned quiet_s;    /* since the last request */
	unsigned idle_s;     /* since the last command was answered */
	struct spare *spare; /* or NULL */
	bool spare_asked, spare_permitted;
	int64_t stored_ms; /* when an upload was complete; 0: none yet */
	struct sftp_string last_handle; /* of a download; heap */
	bool handle_stays;		/* the one before had the same */
};

/* ---- gateway.c ---- */

/* Sends a reply of one line; with final, the command is over. */
void gateway_reply(struct gateway *gateway, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void gateway_finish(struct gateway *gateway, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void gateway_send(struct gateway *gateway, const void *bytes, size_t len);

/* Ends the command with the reply for a STATUS. */
void gateway_refuse(struct gateway *gateway, enum status_of of,
    const struct sftp_reply *reply);

/* Ends the command: the user may not change anything. */
void gateway_refuse_change(struct gateway *gateway);

/* Runs the commands that have come, one after the other.  ABOR stops the one
 * that runs as soon as it has come. */
void gateway_pump(struct gateway *gateway);

/* Ends the session after its last reply. */
void gateway_close(struct gateway *gateway);

/* Ends the session because culvert cannot go on. */
void gateway_give_up(struct gateway *gateway, const char *why);

/* Do requests wait for another SSH connection?  Then no more should be sent
 * than must be. */
bool gateway_is_waiting(const struct gateway *gateway);

/* Sends a request on the session's channel.  False: the command has been
 * answered with an error. */
bool gateway_request(struct gateway *gateway,
    const struct sftp_request *request, sftp_reply_cb *done, void *ctx);

/* The same, without interest in the reply. */
void gateway_request_only(struct gateway *gateway,
    const struct sftp_request *request);

/* Milliseconds since 1970. */
int64_t gateway_now(struct gateway *gateway);

bool gateway_ok(const struct sftp_reply *reply);

/* Is it the status of a request that got no reply?  Nobody knows whether the
 * server has carried it out. */
bool gateway_is_lost(const struct sftp_reply *reply);

/* A copy on the heap; bytes NULL when out of memory. */
struct sftp_string sftp_string_copy(const struct sftp_string *string);

/* Makes a task the running one. */
void task_begin(struct gateway *gateway, struct task *task,
    const struct task_ops *ops);
/* Frees the running task; forgets its requests. */
void task_end(struct gateway *gateway);

/* Opens a further channel for the running task, or closes it. */
void gateway_channel_add(struct gateway *gateway, unsigned channel);
void gateway_channel_drop(struct gateway *gateway, unsigned channel);

/* Closes the data connection: cleanly, or as a loss. */
void gateway_data_end_it(struct gateway *gateway);
void gateway_data_reset_it(struct gateway *gateway);
/* Reads it, or not. */
void gateway_data_read_it(struct gateway *gateway, bool on);
/* May more be sent on it? */
bool gateway_data_has_room(const struct gateway *gateway);

/* Reads the session's channel, or not. */
void gateway_channel_read_it(struct gateway *gateway, bool on);

/* The bytes of one READ or WRITE; server: the most that the server takes. */
uint32_t gateway_block(const struct gateway *gateway, uint32_t server);

/* The session begins. */
void gateway_greet(struct gateway *gateway);

/* ---- away.c ---- */

/* A channel is lost.  False: the session, or its upload, does not survive that.
 */
bool away_begin(struct gateway *gateway, unsigned channel, const char *why);
/* Channel 0 is complete again. */
void away_end(struct gateway *gateway);
/* Once a second. */
void away_tick(struct gateway *gateway);

/* ---- commands.c ---- */

/* Are line ends converted in the next transfer? */
bool gateway_converts(const struct gateway *gateway);

/* Answers 504, and returns false, if the next transfer begins in the middle of
 * a file whose line ends are converted: positions differ then. */
bool gateway_may_restart(struct gateway *gateway);

/* Answers 425, and returns false, if there is no data connection for a
 * transfer. */
bool gateway_needs_data(struct gateway *gateway);

/* Runs a command line without its line end; sets busy if it takes time. */
void commands_run(struct gateway *gateway, const uint8_t *line, size_t len);

/* Each command is such a function; argument has len bytes and a NUL behind
 * them. */
typedef void command_run(struct gateway *gateway, const char *argument,
    size_t len);

/* ---- login.c ---- */
command_run login_user, login_pass, login_rein;

/* Sets TYPE, OPTS and SITE UMASK to their defaults, as REIN does. */
void login_defaults(struct gateway *gateway);

/* The session's channel can be used: finds out where the session begins, and
 * greets, or goes on with the login. */
void login_find_home(struct gateway *gateway);

/* The login is allowed, and the session's channel can be used: goes on to the
 * user's directory, which is simple.path. */
void login_begin(struct gateway *gateway);

/* Where the session begins, and what "~" is. */
const char *login_home(const struct gateway *gateway);

/* May the command have that path? */
bool login_permits(const struct gateway *gateway, const char *path);

/* ---- transfer.c ---- */

/* The text of the reply to a transfer that was stopped. */
const char *task_stop_text(enum task_stop why);

/* A transfer whose command has come after PASV, but before the data connection:
 * it begins when that is open, or fails after some time.  False: it can begin
 * now, if there is a data connection. */
bool transfer_must_wait(struct gateway *gateway, const uint8_t *line,
    size_t len);

/* ---- names.c ---- */

/* The absolute path of a client's argument, on the heap; or NULL, and the
 * command has been answered. */
char *names_path(struct gateway *gateway, const char *argument, size_t len);

/* A name of the server's as the client gets it; its length, at most size. */
size_t names_for_client(struct gateway *gateway, const struct sftp_string *name,
    char *ret, size_t size);

/* The path in quotes, as 257 has it (RFC 959 appendix II), on the heap; or
 * NULL. */
char *names_quote(struct gateway *gateway, const char *path);

/* The home directory, from the server's reply to REALPATH, on the heap. */
char *names_home(const struct sftp_string *name);

/* path, a slash, name; on the heap; or NULL. */
char *names_join(const char *directory, const struct sftp_string *name);

/* Are both absolute paths in the same directory? */
bool names_are_beside(const char *path, const char *other);

/* ---- removal.c ---- */

/* Removes a temporary file.  If the connection is lost before the reply, the
 * owner removes it later. */
void gateway_remove(struct gateway *gateway, const char *path);

/* ---- spare.c ---- */

/* Opens a temporary file beside that path for the next upload, if the client
 * has stored another file shortly before. */
void spare_open(struct gateway *gateway, const char *beside);

/* Takes it, if it is open and in the directory of target: its path and handle,
 * both on the heap. */
bool spare_take(struct gateway *gateway, const char *target, char **ret_path,
    struct sftp_string *ret_handle);

/* Removes it, if there is one; or once it is not used for a while. */
void spare_drop(struct gateway *gateway);
void spare_tick(struct gateway *gateway);

/* ---- files.c ---- */
command_run files_cwd, files_cdup, files_mkd, files_rmd, files_dele, files_rnfr,
    files_rnto, files_size, files_mdtm, files_mfmt, files_mlst, files_chmod,
    files_avbl;
void files_free(struct simple *simple);

/* ---- the tasks ---- */
command_run download_retr, download_hash, upload_stor, upload_appe, upload_stou,
    walk_list, walk_nlst, walk_mlsd, walk_stat;

/*
 * Renames from to to, which is replaced if it exists: by
 * posix-rename@openssh.com or, without it, by way of a backup name.  done comes
 * once, with the status.
 */
struct rename *rename_start(struct gateway *gateway, const char *from,
    const char *to, sftp_reply_cb *done, void *ctx);
/* No callback follows; what was begun goes on. */
void rename_forget(struct rename *rename);
/* The same; from is a temporary file, to be removed if it keeps its name. */
void rename_leave(struct rename *rename);

/* A name beside path that nobody uses, hidden, on the heap; or NULL. */
char *rename_temporary(struct gateway *gateway, const char *path);

#endif
