/*
 * A session that outlives its connection: commands and replies.
 */
#include "resume/resume.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "limits.h"
#include "resume/priv.h"

#define REPLY_LOST "426 The SSH connection was lost; transfer aborted."
#define REPLY_ABORTED "226 ABOR command successful."
#define REPLY_UNKNOWN                                                     \
	"450 The SSH connection was lost before the server answered. It " \
	"is not known whether the server has done this."

/* ---- the queue ---- */

static void
resume_command_free(struct resume_command *command)
{
	if (command == NULL)
		return;
	explicit_bzero(command->line, command->len);
	free(command->line);
	free(command);
}

static void
resume_command_remove(struct resume *resume, struct resume_command *command)
{
	TAILQ_REMOVE(&resume->queue, command, entry);
	resume->n_queue--;
}

static void
resume_forget_late(struct resume *resume)
{
	resume_command_free(resume->late);
	resume->late = NULL;
}

bool
resume_command_transfers(const struct resume_command *command)
{
	return (command->parsed.flags & (VERB_SENDS | VERB_RECEIVES)) != 0;
}

static bool
resume_command_is(const struct resume_command *command, const char *name)
{
	const char *const names[] = { name, NULL };

	return command_name_is_one_of(&command->parsed, command->line, names);
}

void
resume_answer(struct resume_command *command, const char *reply)
{
	command->answer = reply;
}

/* In one piece: proftpd never completes a line whose CR and LF come apart. */
void
resume_say(struct resume *resume, const char *verb, const uint8_t *argument,
    size_t len)
{
	char line[LIMIT_COMMAND_LINE + 32];
	size_t verb_len = strlen(verb);

	assert(verb_len + len + 3 <= sizeof(line));
	memcpy(line, verb, verb_len);
	if (len > 0) {
		line[verb_len++] = ' ';
		memcpy(line + verb_len, argument, len);
	}
	memcpy(line + verb_len + len, "\r\n", 2);
	resume->handler->to_server(resume->ctx, line, verb_len + len + 2);
}

/* ABOR while the server cannot be reached: the transfer need not be made again.
 */
static void
resume_abort_here(struct resume *resume, struct resume_command *abort)
{
	struct resume_command *first = TAILQ_FIRST(&resume->queue);

	if (resume->state == RESUME_THROUGH || first == abort ||
	    !resume_command_transfers(first) || first->answer != NULL)
		return;
	resume->handler->cut(resume->ctx, "the client has aborted it");
	resume->request = REQUEST_NONE;
	resume_answer(first, REPLY_LOST);
	resume_answer(abort, REPLY_ABORTED);
}

static int
resume_take_command(struct resume *resume, const uint8_t *line, size_t len)
{
	struct resume_command *command = calloc(1, sizeof(*command));

	if (command == NULL)
		return -ENOMEM;
	command->line = malloc(len);
	if (command->line == NULL) {
		free(command);
		return -ENOMEM;
	}
	memcpy(command->line, line, len);
	command->len = len;
	command_parse(line, len, &command->parsed);
	command->kind = setting_kind(line, len);
	command->size = -1;
	TAILQ_INSERT_TAIL(&resume->queue, command, entry);
	resume->n_queue++;
	if (command->parsed.verb == VERB_ABOR)
		resume_abort_here(resume, command);
	return 0;
}

/* REST and RNFR are for one command. */
static void
resume_use_up(struct resume *resume, struct resume_command *command)
{
	if (resume_command_transfers(command)) {
		command->rest =
		    command->parsed.verb == VERB_APPE && command->size > 0 ?
		    (uint64_t)command->size :
		    resume->rest;
		resume->rest = 0;
		resume->rest_stale = false;
	}
	if (command->kind == SETTING_ACTION) {
		free(resume->rename);
		resume->rename = NULL;
	}
}

static void
resume_send(struct resume *resume, struct resume_command *command)
{
	if (!command->again)
		resume_use_up(resume, command);
	command->sent = true;
	if ((command->parsed.flags & VERB_MAY_BE_SILENT) != 0)
		resume->unsure = "its client has sent an empty line";
	/* Some servers send one reply to the transfer and to ABOR, some two. */
	if (command->parsed.verb == VERB_ABOR &&
	    command != TAILQ_FIRST(&resume->queue))
		resume->unsure = "its client has sent ABOR";
	if (command->again && (command->parsed.flags & VERB_SENDS) != 0)
		resume_say(resume, command->append ? "APPE" : "STOR",
		    command->line + command->parsed.arg_at,
		    command->parsed.arg_len);
	else
		resume->handler->to_server(resume->ctx, command->line,
		    command->len);
}

/* Nothing but ABOR is sent behind an upload that is continued: SIZE follows. */
static bool
resume_must_wait(const struct resume *resume,
    const struct resume_command *command)
{
	const struct resume_command *first = TAILQ_FIRST(&resume->queue);

	return command != first && first->sent && first->again &&
	    (first->parsed.flags & VERB_SENDS) != 0 &&
	    command->parsed.verb != VERB_ABOR;
}

/* Nothing of the server is needed for it. */
static bool
resume_reply_here(struct resume *resume, struct resume_command *command)
{
	const char *reply = command->sent ? NULL : command->answer;

	if (reply == NULL && resume->state != RESUME_THROUGH &&
	    !command->sent && resume_command_is(command, "NOOP"))
		reply = "200 OK; the SSH connection is being made again.";
	if (reply == NULL)
		return false;
	if (!command->replied) {
		resume->handler->to_client(resume->ctx, reply, strlen(reply));
		resume->handler->to_client(resume->ctx, "\r\n", 2);
	}
	resume_command_remove(resume, command);
	resume_command_free(command);
	return true;
}

static void
resume_send_commands(struct resume *resume)
{
	struct resume_command *command, *first = TAILQ_FIRST(&resume->queue);

	TAILQ_FOREACH (command, &resume->queue, entry) {
		if (command->sent)
			continue;
		if (command->answer != NULL ||
		    resume_must_wait(resume, command))
			return; /* when it is the first */
		if (resume_needs_steps(resume, command)) {
			if (command == first)
				resume_begin_steps(resume, command);
			return;
		}
		resume_send(resume, command);
	}
}

void
resume_pump(struct resume *resume)
{
	while (!TAILQ_EMPTY(&resume->queue) &&
	    resume_reply_here(resume, TAILQ_FIRST(&resume->queue)))
		;
	if (resume->state == RESUME_THROUGH && resume->step == STEP_NONE)
		resume_send_commands(resume);
}

int
resume_client(struct resume *resume, const void *bytes, size_t len)
{
	const uint8_t *line;
	size_t line_len;
	int err;

	if (resume->opaque) {
		resume->handler->to_server(resume->ctx, bytes, len);
		return 0;
	}
	err = line_reader_feed(&resume->client, bytes, len);
	while (err == 0 &&
	    line_reader_peek(&resume->client, &line, &line_len) != LINE_MORE) {
		err = resume_take_command(resume, line, line_len);
		line_reader_consume(&resume->client, line_len);
	}
	resume_pump(resume);
	return err;
}

bool
resume_wants(const struct resume *resume)
{
	return resume->n_queue < LIMIT_PENDING;
}

bool
resume_is_flushed(const struct resume *resume)
{
	const struct resume_command *last =
	    TAILQ_LAST(&resume->queue, resume_queue);

	return resume->state == RESUME_THROUGH &&
	    line_reader_len(&resume->client) == 0 &&
	    (last == NULL || last->sent);
}

bool
resume_is_through(const struct resume *resume)
{
	return resume->state == RESUME_THROUGH && resume->step == STEP_NONE;
}

/* ---- replies ---- */

static void
resume_note_request(struct resume *resume, const struct resume_command *command,
    unsigned code)
{
	if ((command->parsed.flags & (VERB_IS_ACTIVE | VERB_IS_PASSIVE)) != 0) {
		resume_forget_late(resume);
		resume->request =
		    code / 100 == 2 ? REQUEST_READY : REQUEST_NONE;
		if (command->parsed.verb == VERB_PASV && code / 100 == 2)
			resume->pasv = true;
		if (command->parsed.verb == VERB_EPSV && code / 100 == 2)
			resume->pasv = false;
	}
	if (resume_command_transfers(command))
		resume->request = REQUEST_NONE;
}

static void
resume_note_rest(struct resume *resume, const struct resume_command *command)
{
	char text[32];
	size_t len = command->parsed.arg_len;

	if (len >= sizeof(text))
		return;
	memcpy(text, command->line + command->parsed.arg_at, len);
	text[len] = '\0';
	resume->rest = strtoull(text, NULL, 10);
	resume->rest_stale = false;
}

static void
resume_note_rename(struct resume *resume, const struct resume_command *command)
{
	free(resume->rename);
	resume->rename = malloc(command->len);
	if (resume->rename == NULL) {
		resume->unsure = "memory was short";
		return;
	}
	memcpy(resume->rename, command->line, command->len);
	resume->rename_len = command->len;
}

/* Has its success been reported before its data have come? */
static bool
resume_is_late(struct resume *resume, const struct resume_command *command,
    unsigned code)
{
	struct resume_data data = { 0 };

	if ((command->parsed.flags & VERB_RECEIVES) == 0 || code / 100 != 2)
		return false;
	resume_forget_late(resume);
	resume->handler->data(resume->ctx, &data);
	return !data.ended;
}

/* The final reply has come. */
static void
resume_command_done(struct resume *resume, struct resume_command *command,
    unsigned code, const uint8_t *line, size_t len)
{
	struct resume_command *next = TAILQ_NEXT(command, entry);

	resume_settings_note(resume->settings, command->line, command->len,
	    code);
	resume_note_request(resume, command, code);
	if (command->parsed.verb == VERB_REST && code == 350)
		resume_note_rest(resume, command);
	if (resume_command_is(command, "RNFR") && code == 350)
		resume_note_rename(resume, command);
	if ((resume_command_is(command, "PWD") ||
		resume_command_is(command, "XPWD")) &&
	    code == 257)
		snprintf(resume->directory, sizeof(resume->directory), "%.*s",
		    (int)line_text_len(line, len), (const char *)line);
	else if ((command->parsed.flags & VERB_MOVES) != 0)
		resume->directory[0] = '\0';
	if (command->parsed.verb == VERB_AUTH && code / 100 <= 3)
		resume->opaque = true;
	/* 426, then 226: each has had its reply. */
	if (next != NULL && next->parsed.verb == VERB_ABOR && code / 100 == 4)
		next->again = true;
	if (command->parsed.verb == VERB_ABOR && command->again &&
	    code / 100 == 2)
		resume->unsure = NULL;
	resume_command_remove(resume, command);
	if (resume_is_late(resume, command, code))
		resume->late = command;
	else
		resume_command_free(command);
}

static bool
resume_is_continued_upload(const struct resume_command *command)
{
	return command->again && command->answer == NULL &&
	    (command->parsed.flags & VERB_SENDS) != 0;
}

/* A 1xx.  pure-ftpd's only reply to a download whose data connection was lost
 * is a second one; so nobody knows to what the next reply belongs. */
static void
resume_has_begun(struct resume *resume, struct resume_command *command)
{
	if (!resume_command_transfers(command))
		return;
	command->begun = true;
	if (command->taken) {
		resume->unsure = "the server has sent a second 1xx";
		if (command->answer != NULL)
			command->sent = false; /* now it gets the answer */
		return;
	}
	command->taken = true;
	if (resume_is_continued_upload(command))
		resume->handler->upload(resume->ctx, command->have);
}

static void
resume_line_for_client(struct resume *resume, enum reply_place place,
    unsigned code, const uint8_t *line, size_t len)
{
	struct resume_command *command = TAILQ_FIRST(&resume->queue);
	bool last = place == REPLY_ONLY || place == REPLY_LAST;

	if (command != NULL && !command->sent)
		command = NULL;
	if (place == REPLY_ONLY || place == REPLY_FIRST)
		resume->dropping = command != NULL &&
		    (command->replied ||
			(code / 100 == 1 && command->again && command->begun &&
			    (!command->taken || command->answer != NULL)) ||
			(code / 100 > 1 &&
			    (command->answer != NULL ||
				resume_is_continued_upload(command))));
	if (!resume->dropping)
		resume->handler->to_client(resume->ctx, line, len);
	resume->inside = !last && place != REPLY_STRAY && !resume->dropping;
	if (!last)
		return;
	if (!resume->greeted) {
		resume->greeted = code / 100 == 2;
		return;
	}
	if (command == NULL)
		return;
	if (code / 100 == 1)
		resume_has_begun(resume, command);
	else if (resume_is_continued_upload(command))
		resume_upload_reply(resume, command, code);
	else if (command->answer == NULL)
		resume_command_done(resume, command, code, line, len);
	else
		command->sent = false; /* now it gets the answer */
}

static void
resume_take_line(struct resume *resume, const uint8_t *line, size_t len)
{
	unsigned code;
	enum reply_place place;

	place = reply_next(&resume->reply, line, len, &code);
	if (resume_is_through(resume)) {
		resume_line_for_client(resume, place, code, line, len);
		return;
	}
	if (place == REPLY_ONLY || place == REPLY_FIRST)
		snprintf(resume->answer, sizeof(resume->answer), "%.*s",
		    (int)line_text_len(line, len), (const char *)line);
	if ((place == REPLY_ONLY || place == REPLY_LAST) && code / 100 > 1)
		resume_own_reply(resume, code);
}

int
resume_server(struct resume *resume, const void *bytes, size_t len)
{
	const uint8_t *line;
	size_t line_len;
	int err;

	if (resume->opaque) {
		resume->handler->to_client(resume->ctx, bytes, len);
		return 0;
	}
	if (resume->state == RESUME_LOST)
		return 0;
	err = line_reader_feed(&resume->server, bytes, len);
	while (err == 0 && resume->state != RESUME_LOST &&
	    line_reader_peek(&resume->server, &line, &line_len) != LINE_MORE) {
		resume_take_line(resume, line, line_len);
		line_reader_consume(&resume->server, line_len);
		resume_pump(resume);
	}
	return err;
}

void
resume_server_ended(struct resume *resume)
{
	size_t len;
	const uint8_t *bytes = line_reader_behind(&resume->server, 0, &len);

	if (len > 0 && resume_is_through(resume))
		resume->handler->to_client(resume->ctx, bytes, len);
}

/* ---- the loss ---- */

/* Can the rest of this transfer be requested? */
static bool
resume_can_continue(const struct resume *resume,
    const struct resume_command *command, const struct resume_data *data)
{
	if ((command->parsed.flags & VERB_SENDS) != 0)
		return resume_can_upload(resume, command, data);
	if (data->gone)
		return false;
	if (data->passed == 0 && !data->ended)
		return true;
	return command->parsed.verb == VERB_RETR && command->asked &&
	    command->size >= 0 &&
	    resume_settings_type(resume->settings) == 'I' &&
	    resume_settings_are_plain(resume->settings);
}

static void
resume_command_lost(struct resume *resume, struct resume_command *command,
    bool aborted)
{
	struct resume_data data = { 0 };

	if (command->parsed.verb == VERB_QUIT) {
		resume_answer(command, "221 Goodbye.");
	} else if (command->parsed.verb == VERB_ABOR) {
		resume_answer(command, REPLY_ABORTED);
	} else if (resume_command_transfers(command)) {
		resume->handler->data(resume->ctx, &data);
		command->again =
		    !aborted && resume_can_continue(resume, command, &data);
		if (!command->again) {
			resume->handler->cut(resume->ctx,
			    "the SSH connection was lost");
			resume->request = REQUEST_NONE;
			resume_answer(command, REPLY_LOST);
		}
	} else if (command->kind == SETTING_ACTION ||
	    command->kind == SETTING_UNKNOWN) {
		resume_answer(command, REPLY_UNKNOWN);
	}
}

/* A download without its last bytes, though it is reported as complete. */
static void
resume_late_lost(struct resume *resume)
{
	struct resume_command *late = resume->late;
	struct resume_data data = { 0 };

	resume->late = NULL;
	if (late == NULL)
		return;
	resume->handler->data(resume->ctx, &data);
	if (data.ended || !resume_can_continue(resume, late, &data)) {
		if (!data.ended)
			resume->handler->cut(resume->ctx,
			    "the SSH connection was lost");
		resume_command_free(late);
		return;
	}
	TAILQ_INSERT_HEAD(&resume->queue, late, entry);
	resume->n_queue++;
	late->again = late->begun = late->replied = true;
	late->answer = NULL;
	resume->request = REQUEST_READY;
}

static void
resume_commands_lost(struct resume *resume)
{
	struct resume_command *command;
	bool aborted = false;

	TAILQ_FOREACH (command, &resume->queue, entry)
		aborted |= command->parsed.verb == VERB_ABOR;
	resume_late_lost(resume);
	TAILQ_FOREACH (command, &resume->queue, entry) {
		if (command->sent && command->answer == NULL)
			resume_command_lost(resume, command, aborted);
		command->sent = command->ready = command->taken = false;
	}
	if (resume->request == REQUEST_READY)
		resume->request = REQUEST_STALE;
	resume->rest_stale = resume->rest > 0;
}

bool
resume_lost(struct resume *resume, const char **ret_why)
{
	const char *why = resume->unsure;

	if (!resume->greeted)
		why = "the server had not greeted";
	else if (resume->inside)
		why = "it had read a part of a reply";
	if (why == NULL)
		resume_settings_are_complete(resume->settings, &why);
	*ret_why = why;
	if (why != NULL)
		return false;
	resume->state = RESUME_LOST;
	resume->step = STEP_NONE;
	resume->dropping = resume->comparing = false;
	line_reader_free(&resume->server);
	line_reader_init(&resume->server, LIMIT_REPLY_LINE, LIMIT_RESUME_INPUT);
	resume->reply.code = 0;
	resume_commands_lost(resume);
	resume_pump(resume);
	return true;
}

void
resume_connected(struct resume *resume)
{
	resume->state = RESUME_GREETING;
}

void
resume_cut(struct resume *resume, const char *why)
{
	struct resume_command *command = TAILQ_FIRST(&resume->queue);

	resume->handler->cut(resume->ctx, why);
	if (command != NULL && command->sent &&
	    resume_command_transfers(command))
		resume_answer(command, REPLY_LOST);
}

/* ---- life ---- */

struct resume *
resume_new(const struct resume_handler *handler, void *ctx)
{
	struct resume *resume = calloc(1, sizeof(*resume));

	if (resume == NULL)
		return NULL;
	resume->handler = handler;
	resume->ctx = ctx;
	TAILQ_INIT(&resume->queue);
	line_reader_init(&resume->client, LIMIT_COMMAND_LINE,
	    LIMIT_RESUME_INPUT);
	line_reader_init(&resume->server, LIMIT_REPLY_LINE, LIMIT_RESUME_INPUT);
	resume->settings = resume_settings_new();
	if (resume->settings == NULL) {
		free(resume);
		return NULL;
	}
	return resume;
}

void
resume_free(struct resume *resume)
{
	struct resume_command *command;

	if (resume == NULL)
		return;
	while ((command = TAILQ_FIRST(&resume->queue)) != NULL) {
		resume_command_remove(resume, command);
		resume_command_free(command);
	}
	resume_forget_late(resume);
	resume_settings_free(resume->settings);
	line_reader_free(&resume->client);
	line_reader_free(&resume->server);
	free(resume->rename);
	free(resume);
}
