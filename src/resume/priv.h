/*
 * What the files of the core share.  resume.c has the queue of commands and
 * the lines, again.c what is done after a loss: the login, the settings, and
 * the data connection of a transfer.
 */
#ifndef RESUME_PRIV_H
#define RESUME_PRIV_H

#include <sys/queue.h>

#include "ftp/command.h"
#include "ftp/line.h"
#include "ftp/reply.h"
#include "resume/resume.h"
#include "resume/settings.h"

/* The text of a reply that is kept. */
#define RESUME_TEXT 512

/* The same for MDTM. */
#define RESUME_TIME 64

/* A command of the client, until its final reply. */
struct resume_command {
	TAILQ_ENTRY(resume_command) entry;
	uint8_t *line;
	size_t len;
	struct command parsed;
	enum setting_kind kind;
	bool sent;
	const char *answer; /* a line without its end, which the client gets
			     * instead of the server's final reply, and if it
			     * was sent, when that comes; NULL: none */
	/* Of a transfer: */
	bool begun;    /* the client has got a 1xx */
	bool asked;    /* size and time are known, as far as they can be */
	bool again;    /* it was cut by a loss, and continues */
	bool ready;    /* what must be done before it is sent has been done */
	bool replied;  /* the client has its final reply, but not all data */
	bool changed;  /* its file is another one now */
	uint64_t rest; /* where it begins in the file */
	uint64_t have; /* bytes of the upload that the server has */
	bool taken;    /* the server has sent a 1xx since it was sent */
	bool append;   /* it is continued by APPE, not by REST and STOR */
	int64_t size;  /* of the file; -1: unknown */
	char time[RESUME_TIME]; /* the reply to MDTM; "": none */
};

/* What is done before a command can be sent. */
enum resume_step {
	STEP_NONE,
	STEP_SIZE,
	STEP_MDTM, /* sent together with SIZE */
	STEP_EPSV,
	STEP_PASV,
	STEP_DIAL,
	STEP_REST,
	/* Of an upload; see upload.c. */
	STEP_BASE,
	STEP_HAVE,
	STEP_COMPARE,
	STEP_STORED,
};

struct resume {
	const struct resume_handler *handler;
	void *ctx;
	enum {
		RESUME_THROUGH,
		RESUME_LOST,
		RESUME_GREETING,
		RESUME_SETTINGS,
		RESUME_DIRECTORY, /* PWD */
		RESUME_RENAME,	  /* RNFR */
	} state;
	struct resume_settings *settings;
	size_t setting; /* SETTINGS: the next one */
	struct line_reader client, server;
	struct reply_reader reply;
	TAILQ_HEAD(resume_queue, resume_command) queue;
	size_t n_queue;
	struct resume_command *late; /* a download whose final reply has come
				      * before its data; NULL: none */
	enum resume_step step;	     /* for the first of the queue */
	/* The data connection of the steps is for comparing an upload: */
	bool comparing;
	bool compared, replied; /* its bytes have come, its final reply, too */
	bool same;
	char answer[RESUME_TEXT]; /* the first line of a reply to a step */
	bool greeted;
	bool opaque;	    /* AUTH: bytes pass */
	bool inside;	    /* the client has got a part of a reply */
	bool dropping;	    /* the reply is not for the client */
	const char *unsure; /* why replies may belong to other commands */

	/* What was made for the next commands, and lost if stale. */
	enum {
		REQUEST_NONE,
		REQUEST_READY,
		REQUEST_STALE,
	} request;     /* of a data connection */
	bool pasv;     /* the server takes PASV, not EPSV */
	uint64_t rest; /* REST; 0: none */
	bool rest_stale;
	uint8_t *rename; /* RNFR; NULL: none */
	size_t rename_len;
	char directory[RESUME_TEXT]; /* the reply to PWD; "": unknown */
};

/* Is it a transfer? */
bool resume_command_transfers(const struct resume_command *command);

/* Sends a command of its own; len 0: without an argument. */
void resume_say(struct resume *resume, const char *verb,
    const uint8_t *argument, size_t len);

/* The command gets that reply instead of the server's. */
void resume_answer(struct resume_command *command, const char *reply);

/* Sends what can be sent. */
void resume_pump(struct resume *resume);

/* again.c: the data connection of a transfer, or of a comparison; the first
 * command of the queue is that transfer. */
void resume_make_connection(struct resume *resume);
/* again.c: all is done: the command is sent. */
void resume_end_steps(struct resume *resume);
/* again.c: the transfer ends with that reply. */
void resume_give_up(struct resume *resume, struct resume_command *command,
    const char *reply);
/* again.c: the data connection of the first of the queue. */
struct resume_data resume_data_of(const struct resume *resume);
/* again.c: the number in a reply to SIZE; -1: none. */
int64_t resume_size_reply(const struct resume *resume, unsigned code);

/* upload.c: before APPE, and before an upload is continued. */
void resume_begin_upload(struct resume *resume, struct resume_command *command);
/* upload.c: the final reply to a step of its own. */
void resume_upload_step(struct resume *resume, struct resume_command *command,
    unsigned code);
/* upload.c: the data connection for a comparison is there, and REST, if it was
 * needed. */
void resume_compare_begin(struct resume *resume,
    struct resume_command *command);
/* upload.c: where a comparison begins in the upload. */
uint64_t resume_compare_from(const struct resume *resume,
    const struct resume_command *command);
/* upload.c: the final reply to an upload that was continued. */
void resume_upload_reply(struct resume *resume, struct resume_command *command,
    unsigned code);
/* upload.c: can it be continued after a loss? */
bool resume_can_upload(const struct resume *resume,
    const struct resume_command *command, const struct resume_data *data);

/* again.c: must something be done before that command is sent? */
bool resume_needs_steps(const struct resume *resume,
    const struct resume_command *command);
/* again.c: begins to do it. */
void resume_begin_steps(struct resume *resume, struct resume_command *command);
/* again.c: the final reply to something of its own, whose first line is in
 * resume->answer. */
void resume_own_reply(struct resume *resume, unsigned code);

#endif
