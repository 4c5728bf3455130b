/*
 * An upload's inside, shared by upload.c, upload_target.c, upload_write.c and
 * upload_end.c.
 * Nobody else includes it.
 *
 * Theory of operation.  STOR writes to a temporary name, and renames that over
 * the target when everything has been written and closed without an error.
 * With --upload in-place, for APPE, STOU, and after REST it writes to the
 * target itself.
 *
 *	OPENING --> RECEIVING --> WRITING --> RENAMING --> 226
 *	         handle       all data    EOF, all replies good
 *
 * An error, ABOR, or a loss ends it in each state but RENAMING: the temporary
 * file is removed, or a file that was written in place is cut back to its part
 * without gaps.  STOR after REST cuts the file at that position before it
 * writes, so that no old bytes are left behind the new ones.  A rename that was
 *sent cannot be taken back; what it makes is a complete file.
 *
 * WRITEs are sent without waiting for replies.  When the replies are late
 * because sshd's window for the channel is full, the upload opens the temporary
 * file once more, on another channel of the same SSH connection, and spreads
 * the WRITEs: each has its own window, and each WRITE has its offset.  Only
 * with a server that has lsetstat@openssh.com, as OpenSSH's since 8.1: rclone
 * takes a second OPEN for a new file, empties it, and reports success; and
 * proftpd's mod_sftp ends the SSH connection, with all sessions, if one channel
 * more than it permits is opened.
 */
#ifndef GATEWAY_UPLOAD_H
#define GATEWAY_UPLOAD_H

#include <sys/queue.h>

#include "base/buf.h"
#include "base/stream.h"
#include "gateway/priv.h"

struct upload;

/* A WRITE without its reply; in the order of the offsets. */
struct upload_write {
	TAILQ_ENTRY(upload_write) entry;
	struct upload *upload;
	unsigned lane;
	uint64_t offset;
	uint32_t len;
	int64_t sent_ms;
};

/* The file, opened on one channel. */
struct upload_lane {
	struct upload *upload;
	unsigned number;
	unsigned channel; /* the same, or 0 after a loss */
	enum {
		LANE_NONE,
		LANE_CHANNEL, /* the channel is being opened */
		LANE_FILE,    /* the file is */
		LANE_OPEN,
		LANE_CLOSED, /* CLOSE was sent, or it is lost */
	} state;
	struct sftp_string handle; /* heap */
	uint64_t in_flight;	   /* bytes of WRITEs without reply */
};

struct upload {
	struct task task;
	enum {
		UPLOAD_OPENING,
		UPLOAD_RECEIVING,
		UPLOAD_WRITING,
		UPLOAD_RENAMING,
	} state;
	char *target; /* the file's name; of a symbolic link, what it names */
	char *temporary; /* NULL: it is written in place */
	bool created;	 /* STOU: the target did not exist */
	enum {
		UPLOAD_WHOLE,	/* STOR from the beginning, STOU */
		UPLOAD_RESTART, /* STOR after REST */
		UPLOAD_APPEND,
	} kind;
	struct upload_lane lanes[GATEWAY_CHANNELS];
	unsigned max_lanes;
	bool spread; /* further channels were opened ... */
	bool yields; /* ... and others need them */
	int64_t begun_ms;
	int64_t fastest_ms; /* the shortest time until LSTAT or a WRITE was
			     * answered */
	TAILQ_HEAD(, upload_write) writes;
	struct buf waiting; /* --no-concurrent-writes: not sent yet */
	unsigned n_awaited; /* other replies without which it is not complete */
	uint64_t start, end; /* offsets: of the first byte, behind the last */
	uint64_t old_size;
	enum {
		OLD_UNKNOWN, /* or there is no such file */
		OLD_MISSING,
		OLD_FILE,
	} old;
	uint32_t old_mode;
	bool old_mode_known;
	unsigned n_lookups; /* requests about the target without their reply */
	unsigned n_links;   /* followed by READLINK */
	bool is_link;	    /* the target is */
	bool follows;	    /* it is, or may be: what is behind it counts */
	bool opens_behind; /* ... before data are written: upload_go_behind() */
	bool closing;	   /* FSYNC and CLOSE were sent */
	struct newline_state newline;
	bool convert;
	struct rename *rename;
};

/* ---- upload.c ---- */
/* The file is open on the session's channel, and its size is known if that is
 * needed. */
void upload_go(struct upload *upload);
/* The target is a symbolic link.  Once the temporary file is open, and the file
 * behind the link is known, goes on with a temporary file beside that one. */
void upload_go_behind(struct upload *upload);

/* ---- upload_target.c ---- */
/* Requests what the target is.  0 or a negative errno. */
int upload_look(struct upload *upload);
/* The mode that the file gets: that of the one that it replaces, or what SITE
 * UMASK says; -1: the server's. */
int upload_mode(const struct upload *upload);
/* If not everybody may read it then, nobody else may read the temporary file;
 * once both are known. */
void upload_hide(struct upload *upload);
/* Takes what a reply says about the file that is there. */
void upload_note_old(struct upload *upload, const struct sftp_reply *reply);

/* ---- upload_write.c ---- */
void upload_data(struct task *task, const struct iovec *pieces, size_t n);
void upload_ending(struct task *task);
void upload_eof(struct task *task);
void upload_room(struct task *task);
void upload_channel_ready(struct task *task, unsigned channel);
void upload_channel_lost(struct task *task, unsigned channel);
void upload_channels_moved(struct task *task);
bool upload_is_lost(const struct task *task);
void upload_yield(struct task *task);
/* A request that was sent then has been answered. */
void upload_note_reply(struct upload *upload, int64_t sent_ms);
/* Reads the client's data, or not, and opens further lanes. */
void upload_flow(struct upload *upload);
/* Keeps the handle in the reply to OPEN.  False when out of memory. */
bool upload_keep_handle(struct upload_lane *lane,
    const struct sftp_string *handle);

/* ---- upload_end.c ---- */
/* Everything was received: goes on as far as the replies permit. */
void upload_finish(struct upload *upload);
bool upload_is_ending(const struct task *task);
void upload_stop(struct task *task, enum task_stop why);
/* Gives up: answers with that code, and removes what was written. */
void upload_fail(struct upload *upload, unsigned code, const char *text);
void upload_refused(struct upload *upload, enum status_of of,
    const struct sftp_reply *reply);
void upload_free(struct task *task);
/* Closes the file there; its success is needed.  False: the upload is over. */
bool upload_close(struct upload_lane *lane);

#endif
