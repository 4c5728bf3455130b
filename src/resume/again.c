/*
 * A session that outlives its connection: what is done after a loss, and
 * before a transfer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ftp/hostport.h"
#include "resume/priv.h"

#define REPLY_CHANGED                                                       \
	"426 The SSH connection was lost, and the file has changed since; " \
	"transfer aborted."
#define REPLY_GONE                                                          \
	"426 The SSH connection was lost, and then the data connection of " \
	"the client."
#define REPLY_NO_DATA                                                         \
	"426 The SSH connection was lost, and the data connection cannot be " \
	"made again."
#define REPLY_NO_REST                                                        \
	"426 The SSH connection was lost, and the server cannot continue a " \
	"file (REST)."
#define REPLY_WHOLE                                                       \
	"226 Transfer complete. (The SSH connection was lost before the " \
	"server's reply; the client has the whole file.)"

/* ---- steps before a transfer ---- */

/* Can its end be recognised, and can it be continued after a loss? */
static bool
resume_should_ask(const struct resume *resume,
    const struct resume_command *command)
{
	return (command->parsed.verb == VERB_RETR ||
		   command->parsed.verb == VERB_APPE) &&
	    resume_settings_type(resume->settings) == 'I' &&
	    resume_settings_are_plain(resume->settings);
}

bool
resume_needs_steps(const struct resume *resume,
    const struct resume_command *command)
{
	if (!resume_command_transfers(command) || command->ready)
		return false;
	return command->again || resume->request == REQUEST_STALE ||
	    resume->rest_stale ||
	    (resume_should_ask(resume, command) && !command->asked);
}

struct resume_data
resume_data_of(const struct resume *resume)
{
	struct resume_data data = { 0 };

	resume->handler->data(resume->ctx, &data);
	return data;
}

/* The server's bytes before the cut that come again. */
static uint64_t
resume_repeated(const struct resume_data *data)
{
	return data->passed < RESUME_SEAM ? data->passed : RESUME_SEAM;
}

static void
resume_ask_file(struct resume *resume, const struct resume_command *command)
{
	const uint8_t *name = command->line + command->parsed.arg_at;

	resume->step = STEP_SIZE;
	resume_say(resume, "SIZE", name, command->parsed.arg_len);
	resume_say(resume, "MDTM", name, command->parsed.arg_len);
}

void
resume_end_steps(struct resume *resume)
{
	resume->step = STEP_NONE;
	TAILQ_FIRST(&resume->queue)->ready = true;
	resume_pump(resume);
}

void
resume_give_up(struct resume *resume, struct resume_command *command,
    const char *reply)
{
	resume->handler->cut(resume->ctx, "the SSH connection was lost");
	resume->request = REQUEST_NONE;
	resume->step = STEP_NONE;
	resume->comparing = false;
	command->sent = false;
	resume_answer(command, reply);
	resume_pump(resume);
}

/* Where the server is to begin in the file. */
static uint64_t
resume_rest_of(const struct resume *resume,
    const struct resume_command *command)
{
	struct resume_data data = resume_data_of(resume);

	if (resume->comparing)
		return command->rest + resume_compare_from(resume, command);
	if (!command->again)
		return resume->rest;
	if ((command->parsed.flags & VERB_SENDS) != 0)
		return command->append ? 0 : command->rest + command->have;
	return command->rest + data.passed - resume_repeated(&data);
}

static void
resume_after_rest(struct resume *resume, struct resume_command *command)
{
	if (resume->comparing)
		resume_compare_begin(resume, command);
	else
		resume_end_steps(resume);
}

/* The data connection is there. */
static void
resume_send_rest(struct resume *resume, struct resume_command *command)
{
	uint64_t rest = resume_rest_of(resume, command);
	char text[32];

	resume->rest_stale = false;
	if (rest == 0) {
		resume_after_rest(resume, command);
		return;
	}
	resume->step = STEP_REST;
	snprintf(text, sizeof(text), "%" PRIu64, rest);
	resume_say(resume, "REST", (const uint8_t *)text, strlen(text));
}

void
resume_make_connection(struct resume *resume)
{
	if (resume->request != REQUEST_STALE) {
		resume_send_rest(resume, TAILQ_FIRST(&resume->queue));
		return;
	}
	resume->step = resume->pasv ? STEP_PASV : STEP_EPSV;
	resume_say(resume, resume->pasv ? "PASV" : "EPSV", NULL, 0);
}

/* After SIZE and MDTM, if they were needed. */
static void
resume_make_data(struct resume *resume, struct resume_command *command)
{
	struct resume_data data = resume_data_of(resume);

	if (command->again && data.ended && command->size >= 0 &&
	    command->rest + data.passed == (uint64_t)command->size) {
		resume->request = REQUEST_NONE;
		resume->step = STEP_NONE;
		resume_answer(command, REPLY_WHOLE);
		resume_pump(resume);
	} else if (command->again && data.ended) {
		resume_give_up(resume, command, REPLY_CHANGED);
	} else {
		resume_make_connection(resume);
	}
}

void
resume_begin_steps(struct resume *resume, struct resume_command *command)
{
	bool ask = resume_should_ask(resume, command) &&
	    (command->again || !command->asked);

	if (command->again && resume_data_of(resume).gone)
		resume_give_up(resume, command, REPLY_GONE);
	else if ((command->parsed.flags & VERB_SENDS) != 0 &&
	    (command->again || ask))
		resume_begin_upload(resume, command);
	else if (ask)
		resume_ask_file(resume, command);
	else
		resume_make_data(resume, command);
}

int64_t
resume_size_reply(const struct resume *resume, unsigned code)
{
	int64_t size = code == 213 ? strtoll(resume->answer + 3, NULL, 10) : -1;

	return size < 0 ? -1 : size;
}

static void
resume_take_size(struct resume *resume, struct resume_command *command,
    unsigned code)
{
	int64_t size = resume_size_reply(resume, code);

	if (!command->asked)
		command->size = size;
	else if (command->size != size)
		command->changed = true;
	resume->step = STEP_MDTM;
}

static void
resume_take_time(struct resume *resume, struct resume_command *command,
    unsigned code)
{
	const char *time = code == 213 ? resume->answer : "";

	if (!command->asked)
		snprintf(command->time, sizeof(command->time), "%.*s",
		    RESUME_TIME - 1, time);
	else if (strncmp(command->time, time, RESUME_TIME - 1) != 0)
		command->changed = true;
	command->asked = true;
	if (command->changed)
		resume_give_up(resume, command, REPLY_CHANGED);
	else
		resume_make_data(resume, command);
}

static void
resume_dial_port(struct resume *resume, struct resume_command *command,
    uint16_t port)
{
	struct resume_data data = resume_data_of(resume);
	bool download =
	    command->again && (command->parsed.flags & VERB_RECEIVES) != 0;

	resume->step = STEP_DIAL;
	if (resume->comparing)
		resume->handler->compare(resume->ctx, port,
		    resume_compare_from(resume, command));
	else
		resume->handler->dial(resume->ctx, port,
		    download ? resume_repeated(&data) : 0,
		    download && command->size >= 0 ?
			command->size - (int64_t)command->rest :
			-1);
}

static void
resume_take_port(struct resume *resume, struct resume_command *command,
    unsigned code)
{
	struct hostport hostport;

	if (code / 100 == 2 &&
	    hostport_parse_reply(code, (const uint8_t *)resume->answer,
		strlen(resume->answer), &hostport) == 0) {
		resume_dial_port(resume, command, hostport.addr.port);
	} else if (resume->step == STEP_EPSV) {
		resume->step = STEP_PASV;
		resume_say(resume, "PASV", NULL, 0);
	} else {
		resume_give_up(resume, command, REPLY_NO_DATA);
	}
}

void
resume_dialled(struct resume *resume, const char *why)
{
	struct resume_command *command = TAILQ_FIRST(&resume->queue);

	if (resume->step != STEP_DIAL)
		return;
	if (why == NULL) {
		resume->request = REQUEST_READY;
		resume_send_rest(resume, command);
	} else {
		resume_give_up(resume, command, REPLY_NO_DATA);
	}
}

/* Some servers refuse REST already, and then an upload is appended. */
static void
resume_take_rest(struct resume *resume, struct resume_command *command,
    unsigned code)
{
	if (code == 350) {
		resume_after_rest(resume, command);
	} else if (!resume->comparing && command->again &&
	    (command->parsed.flags & VERB_SENDS) != 0) {
		command->append = true;
		resume_after_rest(resume, command);
	} else {
		resume_give_up(resume, command, REPLY_NO_REST);
	}
}

static void
resume_step_reply(struct resume *resume, unsigned code)
{
	struct resume_command *command = TAILQ_FIRST(&resume->queue);

	switch (resume->step) {
	case STEP_NONE:
	case STEP_DIAL:
		break;
	case STEP_SIZE:
		resume_take_size(resume, command, code);
		break;
	case STEP_MDTM:
		resume_take_time(resume, command, code);
		break;
	case STEP_EPSV:
	case STEP_PASV:
		resume_take_port(resume, command, code);
		break;
	case STEP_REST:
		resume_take_rest(resume, command, code);
		break;
	case STEP_BASE:
	case STEP_HAVE:
	case STEP_COMPARE:
	case STEP_STORED:
		resume_upload_step(resume, command, code);
		break;
	}
}

/* ---- the session ---- */

static void
resume_fail(struct resume *resume, unsigned code, const char *what)
{
	char why[RESUME_TEXT + 128];

	snprintf(why, sizeof(why),
	    "after the SSH connection was lost, the "
	    "server answered \"%s\" to %s",
	    resume->answer, what);
	resume->handler->failed(resume->ctx, code / 100 == 4, why);
}

static void
resume_go_on(struct resume *resume)
{
	const struct resume_command *command = TAILQ_FIRST(&resume->queue);

	resume->state = RESUME_THROUGH;
	resume->handler->resumed(resume->ctx,
	    command != NULL && command->again);
	resume_pump(resume);
}

static void
resume_make_rename(struct resume *resume)
{
	if (resume->rename == NULL) {
		resume_go_on(resume);
		return;
	}
	resume->state = RESUME_RENAME;
	resume->handler->to_server(resume->ctx, resume->rename,
	    resume->rename_len);
}

/* The next setting; then what the settings have led to. */
static void
resume_make_settings(struct resume *resume)
{
	const uint8_t *line;
	unsigned code;
	size_t len;

	if (resume->setting < resume_settings_count(resume->settings)) {
		line = resume_settings_get(resume->settings, resume->setting,
		    &len, &code);
		resume->state = RESUME_SETTINGS;
		resume->handler->to_server(resume->ctx, line, len);
	} else if (resume->directory[0] != '\0') {
		resume->state = RESUME_DIRECTORY;
		resume_say(resume, "PWD", NULL, 0);
	} else {
		resume_make_rename(resume);
	}
}

static void
resume_take_setting(struct resume *resume, unsigned code)
{
	unsigned wanted;
	size_t len;

	resume_settings_get(resume->settings, resume->setting, &len, &wanted);
	if (code / 100 != wanted / 100) {
		resume_fail(resume, code, "what its client had sent before");
		return;
	}
	resume->setting++;
	resume_make_settings(resume);
}

void
resume_own_reply(struct resume *resume, unsigned code)
{
	switch (resume->state) {
	case RESUME_LOST:
		break;
	case RESUME_THROUGH:
		resume_step_reply(resume, code);
		break;
	case RESUME_GREETING:
		resume->setting = 0;
		if (code / 100 == 2)
			resume_make_settings(resume);
		else
			resume_fail(resume, code, "the new connection");
		break;
	case RESUME_SETTINGS:
		resume_take_setting(resume, code);
		break;
	case RESUME_DIRECTORY:
		if (strncmp(resume->directory, resume->answer,
			sizeof(resume->answer) - 1) == 0)
			resume_make_rename(resume);
		else
			resume_fail(resume, code, "PWD");
		break;
	case RESUME_RENAME:
		if (code == 350)
			resume_go_on(resume);
		else
			resume_fail(resume, code, "RNFR");
		break;
	}
}
