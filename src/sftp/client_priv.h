/*
 * The client's end of an SFTP connection, inside: shared by client.c, keep.c
 * and again.c.  Nobody else includes it.
 */
#ifndef SFTP_CLIENT_PRIV_H
#define SFTP_CLIENT_PRIV_H

#include <sys/queue.h>

#include <nettle/sha2.h>

#include "base/buf.h"
#include "sftp/client.h"

struct sftp_pending {
	TAILQ_ENTRY(sftp_pending) entry;
	uint32_t id;
	enum sftp_op op;
	uint64_t sent_at;    /* sftp->ticks */
	bool expired;	     /* it was answered by sftp_tick() */
	bool forgotten;	     /* by sftp_forget() */
	sftp_reply_cb *done; /* NULL: nobody wants the reply */
	void *ctx;
	/* Of sftp_keep(): */
	bool kept;     /* request is a copy; data and names follow in bytes */
	bool waiting;  /* it is not on the connection that there is */
	bool doubtful; /* it was on one that was lost */
	/* What has been found about its names: */
	bool from_exists, from_missing, to_exists;
	struct sftp *sftp;
	struct sftp_request request;
	uint8_t *bytes; /* heap: the name, the new path, the data */
};

/* An open file or directory. */
struct sftp_file {
	TAILQ_ENTRY(sftp_file) entry;
	struct sftp *sftp;
	struct sftp_string handle; /* as the owner knows it; heap */
	struct sftp_string real;   /* as the server does; heap; NULL: it is
				    * not open now */
	struct sftp_string path;   /* heap */
	bool directory;
	uint32_t open; /* of enum sftp_open */
	bool used;     /* what it contains has been passed on */
	bool known;    /* its size and time, by the first FSTAT */
	uint64_t size;
	uint32_t mtime;
	bool written;	   /* a WRITE was sent */
	uint64_t sent;	   /* the end of the WRITEs that were sent */
	uint64_t expected; /* that it has at least */
	bool lost;	   /* it is not what it was; or cannot be opened */
	/* Of a directory, the names that were passed on: how many, and their
	 * digest; and the same while they are read again. */
	uint64_t n_names, n_again;
	struct sha256_ctx names, again;
};

TAILQ_HEAD(sftp_pendings, sftp_pending);

struct sftp {
	const struct sftp_handler *handler;
	void *ctx;
	enum {
		SFTP_NEW,
		SFTP_INIT_SENT,
		SFTP_LIMITS_SENT,
		SFTP_READY,
		SFTP_DEAD,
	} state;
	struct buf input;	      /* the beginning of a packet */
	struct sftp_pendings pending; /* in the order of sending */
	size_t n_pending;
	uint32_t last_id;
	bool unordered;	      /* a reply has overtaken another one */
	uint64_t ticks;	      /* calls of sftp_tick() */
	uint64_t answered_at; /* ticks at the last reply */
	uint32_t extensions;  /* a bit for each operation */
	uint32_t max_read, max_write;
	/* Of sftp_keep(): */
	bool keeps;
	bool paused;	     /* until everything was sent again */
	uint32_t connection; /* which one it is, in handles */
	unsigned n_lookups;  /* requests of again.c without their reply */
	TAILQ_HEAD(, sftp_file) files;
};

/* ---- client.c ---- */

/* Makes a pending request, which is the last one; NULL when out of memory. */
struct sftp_pending *sftp_add(struct sftp *sftp, enum sftp_op op,
    sftp_reply_cb *done, void *ctx);
void sftp_remove(struct sftp *sftp, struct sftp_pending *pending);
/* Sends a request without keeping it.  As sftp_send(). */
int sftp_request(struct sftp *sftp, const struct sftp_request *request,
    const struct iovec *data, size_t n, sftp_reply_cb *done, void *ctx);
int sftp_put_packet(struct sftp *sftp, const struct sftp_request *request,
    uint32_t id, const struct iovec *data, size_t n);
/* Answers a request with a status from here. */
void sftp_answer_locally(struct sftp *sftp, struct sftp_pending *pending,
    enum sftp_status status, const char *why);

/* ---- keep.c ---- */

/* As sftp_send(), and keeps the request until it is answered. */
int sftp_send_kept(struct sftp *sftp, const struct sftp_request *request,
    const struct iovec *data, size_t n, sftp_reply_cb *done, void *ctx);
/* Sends a request that was kept.  0; -EBADF if its file is lost; or as
 * sftp_send(). */
int sftp_put_kept(struct sftp *sftp, struct sftp_pending *pending);
/* Notes what a reply says, and makes its handle the owner's. */
int sftp_note_reply(struct sftp *sftp, const struct sftp_pending *pending,
    struct sftp_reply *reply);
/* Adds the names of a reply to READDIR to a digest.  How many they are. */
uint64_t sftp_digest_names(struct sha256_ctx *digest,
    const struct sftp_reply *reply);
/* The open file of a request, or NULL. */
struct sftp_file *sftp_file_of(struct sftp *sftp,
    const struct sftp_string *handle);
bool sftp_has_handle(enum sftp_op op);
void sftp_file_free(struct sftp *sftp, struct sftp_file *file);
void sftp_pending_free(struct sftp_pending *pending);

/* Removes the pending requests that were not kept. */
void sftp_drop_lookups(struct sftp *sftp);

/* ---- again.c ---- */

/* The new connection can be used: opens the files again, and sends what is
 * pending again.  Then it is not paused any more, and ready() is called. */
void sftp_begin_again(struct sftp *sftp);

#endif
