/*
 * A session that outlives its connection: uploads.
 *
 *	SIZE ----> EPSV, connection, REST, RETR: the last bytes that the server
 *	           has are those of the client
 *	     ----> EPSV, connection, REST, STOR: what the server does not have
 *	     ----> SIZE: the server has all
 *
 * What the old connection still brings to the server is written at its own
 * place, where the same bytes are.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resume/priv.h"

#define REPLY_LENGTH                                                       \
	"426 The SSH connection was lost, and what the server has of the " \
	"file is not what was sent."
#define REPLY_MEMORY                                                    \
	"426 The SSH connection was lost, and more bytes with it than " \
	"culvert keeps (--survive-memory)."
#define REPLY_UNSEEN                                                          \
	"426 The SSH connection was lost, and the server does not show what " \
	"it has of the file (SIZE, RETR)."
#define REPLY_STORED                                                         \
	"226 Transfer complete. (It was continued after the SSH connection " \
	"was lost.)"

bool
resume_can_upload(const struct resume *resume,
    const struct resume_command *command, const struct resume_data *data)
{
	if (data->gone || resume_settings_type(resume->settings) != 'I' ||
	    !resume_settings_are_plain(resume->settings))
		return false;
	return command->parsed.verb == VERB_STOR ||
	    (command->parsed.verb == VERB_APPE && command->size >= 0);
}

static void
resume_ask_size(struct resume *resume, const struct resume_command *command,
    enum resume_step step)
{
	resume->step = step;
	resume_say(resume, "SIZE", command->line + command->parsed.arg_at,
	    command->parsed.arg_len);
}

void
resume_begin_upload(struct resume *resume, struct resume_command *command)
{
	if (!command->again)
		resume_ask_size(resume, command, STEP_BASE);
	else
		resume_ask_size(resume, command, STEP_HAVE);
}

/* APPE begins at the end of the file, if there is one. */
static void
resume_take_base(struct resume *resume, struct resume_command *command,
    unsigned code)
{
	command->size = resume_size_reply(resume, code);
	if (code == 550)
		command->size = 0;
	command->asked = true;
	if (command->size > 0)
		resume->rest = 0;
	resume_make_connection(resume);
}

/* ---- what the server has ---- */

static void
resume_upload_rest(struct resume *resume, struct resume_command *command)
{
	resume->comparing = false;
	resume->request = REQUEST_STALE;
	resume_make_connection(resume);
}

/* How many of the bytes before that are compared. */
static uint64_t
resume_compare_len(const struct resume *resume,
    const struct resume_command *command)
{
	struct resume_data data = resume_data_of(resume);
	uint64_t len = command->have - (data.uploaded - data.kept);

	return len < RESUME_SEAM ? len : RESUME_SEAM;
}

uint64_t
resume_compare_from(const struct resume *resume,
    const struct resume_command *command)
{
	return command->have - resume_compare_len(resume, command);
}

static void
resume_take_have(struct resume *resume, struct resume_command *command,
    unsigned code)
{
	struct resume_data data = resume_data_of(resume);
	int64_t size = resume_size_reply(resume, code);
	uint64_t base = command->rest;

	if (command->parsed.verb == VERB_STOR &&
	    (code == 550 || !command->begun || data.uploaded == 0)) {
		/* It has not begun to store, so it begins again. */
		command->have = 0;
	} else if (size < 0) {
		resume_give_up(resume, command, REPLY_UNSEEN);
		return;
	} else if ((uint64_t)size < base ||
	    (uint64_t)size - base > data.uploaded) {
		resume_give_up(resume, command, REPLY_LENGTH);
		return;
	} else {
		command->have = (uint64_t)size - base;
	}
	if (command->have < data.uploaded - data.kept) {
		resume_give_up(resume, command, REPLY_MEMORY);
		return;
	}
	if (resume_compare_len(resume, command) == 0) {
		resume_upload_rest(resume, command);
		return;
	}
	resume->comparing = true;
	resume->compared = resume->replied = false;
	resume->request = REQUEST_STALE;
	resume_make_connection(resume);
}

void
resume_compare_begin(struct resume *resume, struct resume_command *command)
{
	resume->step = STEP_COMPARE;
	resume_say(resume, "RETR", command->line + command->parsed.arg_at,
	    command->parsed.arg_len);
}

static void
resume_compare_end(struct resume *resume, struct resume_command *command)
{
	if (!resume->compared || !resume->replied)
		return;
	if (resume->same)
		resume_upload_rest(resume, command);
	else
		resume_give_up(resume, command, REPLY_LENGTH);
}

void
resume_compared(struct resume *resume, bool same, uint64_t len)
{
	struct resume_command *command = TAILQ_FIRST(&resume->queue);

	if (resume->step != STEP_COMPARE)
		return;
	/* The old connection may have brought more meanwhile. */
	resume->same = same && len >= resume_compare_len(resume, command);
	resume->compared = true;
	resume_compare_end(resume, command);
}

/* ---- the end ---- */

void
resume_upload_reply(struct resume *resume, struct resume_command *command,
    unsigned code)
{
	const struct resume_command *next = TAILQ_NEXT(command, entry);

	if (next != NULL && next->sent) {
		/* ABOR */
		resume_give_up(resume, command, "426 The transfer is aborted.");
	} else if (code / 100 == 2) {
		resume_ask_size(resume, command, STEP_STORED);
	} else if (!command->taken && !command->append) {
		/* proftpd permits neither by default; some servers permit only
		 * one of them. */
		command->append = true;
		command->sent = command->ready = false;
		resume->request = REQUEST_STALE;
	} else {
		resume_give_up(resume, command, REPLY_UNSEEN);
	}
}

static void
resume_take_stored(struct resume *resume, struct resume_command *command,
    unsigned code)
{
	struct resume_data data = resume_data_of(resume);
	int64_t size = resume_size_reply(resume, code);

	resume->step = STEP_NONE;
	resume->request = REQUEST_NONE;
	command->sent = false;
	resume_answer(command,
	    size >= 0 && (uint64_t)size == command->rest + data.uploaded ?
		REPLY_STORED :
		REPLY_LENGTH);
}

void
resume_upload_step(struct resume *resume, struct resume_command *command,
    unsigned code)
{
	switch (resume->step) {
	case STEP_BASE:
		resume_take_base(resume, command, code);
		break;
	case STEP_HAVE:
		resume_take_have(resume, command, code);
		break;
	case STEP_COMPARE:
		if (code / 100 == 2) {
			resume->replied = true;
			resume_compare_end(resume, command);
		} else {
			resume_give_up(resume, command, REPLY_UNSEEN);
		}
		break;
	case STEP_STORED:
		resume_take_stored(resume, command, code);
		break;
	case STEP_NONE:
	case STEP_SIZE:
	case STEP_MDTM:
	case STEP_EPSV:
	case STEP_PASV:
	case STEP_DIAL:
	case STEP_REST:
		break;
	}
}
