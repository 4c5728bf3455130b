/*
 * The front of an FTP server that is reached only after the login.
 */
#include "gateway/front.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ftp/command.h"
#include "ftp/line.h"
#include "ftp/reply.h"
#include "limits.h"

struct front {
	const struct front_handler *handler;
	void *ctx;
	bool with_host;
	enum {
		FRONT_LOGIN,
		FRONT_CHECK,
		FRONT_GREET,
		FRONT_USER,
		FRONT_THROUGH,
		FRONT_OVER,
	} state;
	struct line_reader client;
	struct line_reader server;
	struct reply_reader reply; /* of the server */
	bool passes;		   /* that reply goes to the client */
	char *user;		   /* of USER; NULL: none yet */
	size_t ftp_user_len;	   /* its part for the FTP server */
	struct account account;
	bool valid;
	char *password; /* for the FTP server; NULL: none, or it was sent */
};

/* ---- replies of its own ---- */

static void
front_say(struct front *front, const char *line)
{
	front->handler->to_client(front->ctx, line, strlen(line));
	front->handler->to_client(front->ctx, "\r\n", 2);
}

static void
front_wipe(char **text)
{
	if (*text != NULL)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

static void
front_end(struct front *front)
{
	if (front->state == FRONT_OVER)
		return;
	front->state = FRONT_OVER;
	front_wipe(&front->password);
	front->handler->end(front->ctx);
}

static void
front_end_with(struct front *front, const char *line)
{
	front_say(front, line);
	front_end(front);
}

/* ---- the login ---- */

/* Splits ftpuser@sshuser[@host[:port]].  A user without "@" is both. */
static void
front_split_user(struct front *front)
{
	const char *last = strrchr(front->user, '@'), *first = last;
	const char *ssh = front->user;

	if (last != NULL && front->with_host) {
		for (first = last; first > front->user && first[-1] != '@';)
			first--;
		/* first is behind the last but one, if there is one. */
		if (first > front->user)
			first--;
		else
			first = last;
	}
	front->ftp_user_len =
	    first != NULL ? (size_t)(first - front->user) : strlen(ssh);
	if (first != NULL)
		ssh = first + 1;
	/* "sshuser" alone has no host. */
	front->valid = front->ftp_user_len > 0 &&
	    account_parse(ssh, front->with_host && first != last,
		&front->account) == 0;
}

static void
front_take_user(struct front *front, const char *argument)
{
	free(front->user);
	front->user = strdup(argument);
	if (front->user == NULL) {
		front_end_with(front, "421 Out of memory.");
		return;
	}
	front_split_user(front);
	front_say(front, "331 Send the password.");
}

/* Without "@", it is both passwords. */
static void
front_take_pass(struct front *front, char *argument)
{
	char *at = strrchr(argument, '@');
	struct front_login login = {
		.user = front->user,
		.valid = front->valid,
		.account = front->account,
		.password = at != NULL ? at + 1 : argument,
	};

	if (front->user == NULL) {
		front_say(front, "503 Send USER first.");
		return;
	}
	front_wipe(&front->password);
	front->password = at != NULL ?
	    strndup(argument, (size_t)(at - argument)) :
	    strdup(argument);
	front->state = FRONT_CHECK;
	if (front->password == NULL ||
	    !front->handler->login(front->ctx, &login))
		front_end_with(front, "421 Out of memory.");
}

/* A command before the login; argument is a copy. */
static void
front_command(struct front *front, const struct command *command,
    const uint8_t *verb, char *argument)
{
	static const char noop[] = "NOOP";

	if (command->verb == VERB_USER)
		front_take_user(front, argument);
	else if (command->verb == VERB_PASS)
		front_take_pass(front, argument);
	else if (command->verb == VERB_QUIT)
		front_end_with(front, "221 Goodbye.");
	else if (command->verb_len == strlen(noop) &&
	    strncasecmp((const char *)verb, noop, strlen(noop)) == 0)
		front_say(front, "200 Nothing done.");
	else
		front_say(front, "530 Log in with USER and PASS.");
}

static void
front_line(struct front *front, const uint8_t *line, size_t len)
{
	struct command command;
	size_t at, end;
	char *argument;

	command_parse(line, len, &command);
	/* One blank is before the argument; others belong to it. */
	at = command.verb_at + command.verb_len + 1;
	end = command.arg_at + command.arg_len;
	argument = strndup((const char *)line + at, at < end ? end - at : 0);
	if (argument == NULL) {
		front_end_with(front, "421 Out of memory.");
		return;
	}
	if (at < end && strlen(argument) != end - at)
		front_say(front,
		    command.verb == VERB_PASS ?
			"530 There is a NUL in the command." :
			"501 There is a NUL in the command.");
	else
		front_command(front, &command, line + command.verb_at,
		    argument);
	explicit_bzero(argument, strlen(argument));
	free(argument);
}

/* A command after the login.  Another user would need another SSH connection,
 * and must not send an SSH password to the FTP server. */
static void
front_pass_line(struct front *front, const uint8_t *line, size_t len)
{
	struct command command;

	command_parse(line, line_text_len(line, len), &command);
	if (command.verb == VERB_USER || command.verb == VERB_PASS ||
	    command.verb == VERB_REIN)
		front_end_with(front,
		    "421 Connect again to log in as another user.");
	else
		front->handler->to_server(front->ctx, line, len);
}

static void
front_pump(struct front *front)
{
	const uint8_t *line;
	size_t len;
	enum line_result result;

	while (front->state == FRONT_LOGIN || front->state == FRONT_THROUGH) {
		result = line_reader_peek(&front->client, &line, &len);
		if (result == LINE_MORE)
			return;
		if (result == LINE_TOO_LONG)
			front_end_with(front, "421 A command is too long.");
		else if (front->state == FRONT_LOGIN)
			front_line(front, line, line_text_len(line, len));
		else
			front_pass_line(front, line, len);
		line_reader_consume(&front->client, len);
	}
}

void
front_login_done(struct front *front, const char *reply)
{
	if (front->state != FRONT_CHECK)
		return;
	if (reply == NULL) {
		front->state = FRONT_GREET;
		front->handler->dial(front->ctx);
		return;
	}
	front_wipe(&front->password);
	front->state = FRONT_LOGIN;
	front_say(front, reply);
	if (reply[0] == '4')
		front_end(front);
	front_pump(front);
}

/* ---- the server ---- */

static void
front_send(struct front *front, const char *verb, const char *text, size_t len)
{
	size_t verb_len = strlen(verb);
	char *line = malloc(verb_len + len + 2);

	if (line == NULL) {
		front_end_with(front, "421 Out of memory.");
		return;
	}
	memcpy(line, verb, verb_len);
	memcpy(line + verb_len, text, len);
	memcpy(line + verb_len + len, "\r\n", 2);
	front->handler->to_server(front->ctx, line, verb_len + len + 2);
	explicit_bzero(line, verb_len + len + 2);
	free(line);
}

/* The end of a reply of the server that was dropped. */
static void
front_go_on(struct front *front, unsigned code)
{
	if (code / 100 == 1)
		return; /* 120: the greeting comes later */
	if (front->state == FRONT_GREET) {
		front->state = FRONT_USER;
		front_send(front, "USER ", front->user, front->ftp_user_len);
		return;
	}
	front->state = FRONT_THROUGH;
	front_send(front, "PASS ", front->password, strlen(front->password));
	front_wipe(&front->password);
	front_pump(front);
}

/* Is that reply what the front expects, so that the client does not get it? */
static bool
front_expects(const struct front *front, unsigned code)
{
	return code / 100 == 1 ||
	    (front->state == FRONT_GREET ? code / 100 == 2 : code == 331);
}

/*
 * A line of a reply before the server has got PASS.  One that is not expected
 * is the reply to the client's PASS: if it says that the user is logged in
 * without a password, or needs an account (332), the session goes on.
 */
static void
front_server_line(struct front *front, const uint8_t *line, size_t len)
{
	unsigned code;
	enum reply_place place =
	    reply_next(&front->reply, line, line_text_len(line, len), &code);

	if (place == REPLY_STRAY)
		return; /* a banner */
	if (place == REPLY_FIRST || place == REPLY_ONLY)
		front->passes = !front_expects(front, code);
	if (front->passes)
		front->handler->to_client(front->ctx, line, len);
	if (place == REPLY_FIRST || place == REPLY_INNER)
		return;
	if (!front->passes) {
		front_go_on(front, code);
		return;
	}
	if (front->state == FRONT_USER && (code / 100 == 2 || code == 332)) {
		front_wipe(&front->password);
		front->state = FRONT_THROUGH;
		front_pump(front);
	} else {
		front_end(front);
	}
}

void
front_server(struct front *front, const void *bytes, size_t len)
{
	const uint8_t *line;
	size_t line_len;

	if (front->state == FRONT_THROUGH) {
		front->handler->to_client(front->ctx, bytes, len);
		return;
	}
	if (front->state == FRONT_OVER)
		return;
	if (line_reader_feed(&front->server, bytes, len) != 0) {
		front_end_with(front, "421 The FTP server says too much.");
		return;
	}
	while (front->state == FRONT_GREET || front->state == FRONT_USER) {
		enum line_result result =
		    line_reader_peek(&front->server, &line, &line_len);

		if (result == LINE_MORE)
			return;
		front_server_line(front, line, line_len);
		line_reader_consume(&front->server, line_len);
	}
	/* What came behind the last line that was looked at. */
	line = line_reader_behind(&front->server, 0, &line_len);
	if (front->state == FRONT_THROUGH && line_len > 0)
		front->handler->to_client(front->ctx, line, line_len);
	line_reader_consume(&front->server, line_len);
}

/* ---- front.h ---- */

void
front_client(struct front *front, const void *bytes, size_t len)
{
	if (front->state == FRONT_OVER)
		return;
	if (line_reader_feed(&front->client, bytes, len) != 0) {
		front_end_with(front, "421 Too many commands at a time.");
		return;
	}
	front_pump(front);
}

void
front_fail(struct front *front, const char *reply)
{
	if (front->state != FRONT_OVER)
		front_end_with(front, reply);
}

bool
front_is_through(const struct front *front)
{
	return front->state == FRONT_THROUGH;
}

struct front *
front_new(bool with_host, const struct front_handler *handler, void *ctx)
{
	struct front *front = calloc(1, sizeof(*front));

	if (front == NULL)
		return NULL;
	front->with_host = with_host;
	front->handler = handler;
	front->ctx = ctx;
	line_reader_init(&front->client, LIMIT_GATEWAY_LINE,
	    LIMIT_GATEWAY_INPUT);
	line_reader_init(&front->server, LIMIT_REPLY_LINE,
	    LIMIT_GREETING_BYTES + LIMIT_READ_CHUNK);
	front_say(front,
	    with_host ? "220 Log in as ftpuser@sshuser@host." :
			"220 Log in as ftpuser@sshuser.");
	return front;
}

void
front_free(struct front *front)
{
	if (front == NULL)
		return;
	line_reader_free(&front->client);
	line_reader_free(&front->server);
	free(front->user);
	front_wipe(&front->password);
	free(front);
}
