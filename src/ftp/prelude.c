/*
 * The prelude of a session.
 */
#include "ftp/prelude.h"

#include <string.h>

#include "ftp/command.h"
#include "limits.h"

void
prelude_init(struct prelude *prelude)
{
	memset(prelude, 0, sizeof(*prelude));
	line_reader_init(&prelude->input, LIMIT_COMMAND_LINE,
	    LIMIT_CONTROL_INPUT);
}

void
prelude_free(struct prelude *prelude)
{
	line_reader_free(&prelude->input);
}

int
prelude_feed(struct prelude *prelude, const void *bytes, size_t len)
{
	return line_reader_feed(&prelude->input, bytes, len);
}

/* Keeps the name of USER.  False: it is empty, too long, or has a control
 * character, at which some servers may end it. */
static bool
take_user(struct prelude *prelude, const uint8_t *name, size_t len)
{
	while (len > 0 && (name[len - 1] == ' ' || name[len - 1] == '\t'))
		len--;
	if (len == 0 || len >= sizeof(prelude->user))
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] < ' ' || name[i] == 0x7f || name[i] == 0xff)
			return false;
	memcpy(prelude->user, name, len);
	prelude->user[len] = '\0';
	return true;
}

/* The reply to a command other than USER. */
static const char *
prelude_reply_to(const struct command *command, const uint8_t *line)
{
	static const char *const noop[] = { "NOOP", NULL };
	static const struct {
		enum verb verb;
		const char *reply;
	} replies[] = {
		{ VERB_USER, "501 Not a user name.\r\n" },
		{ VERB_QUIT, "221 Goodbye.\r\n" },
		{ VERB_AUTH,
		    "534 TLS is not possible through culvert, SSH encrypts "
		    "this connection already.\r\n" },
	};

	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
		if (replies[i].verb == command->verb)
			return replies[i].reply;
	if (command_name_is_one_of(command, line, noop))
		return "200 NOOP ok.\r\n";
	return "530 Please log in with USER and PASS.\r\n";
}

/* Answers a line that was not taken as USER. */
static enum prelude_result
prelude_answer(struct prelude *prelude, size_t len, const char *reply,
    const char **ret_reply)
{
	line_reader_consume(&prelude->input, len);
	*ret_reply = reply;
	if (++prelude->lines < LIMIT_PRELUDE_LINES)
		return PRELUDE_REPLY;
	*ret_reply = "421 Too many commands without a login.\r\n";
	return PRELUDE_END;
}

enum prelude_result
prelude_next(struct prelude *prelude, const char **ret_reply)
{
	static const char too_long[] = "500 Command line too long.\r\n";
	struct command command;
	enum line_result result;
	const uint8_t *line;
	size_t len;

	if (prelude->user[0] != '\0')
		return PRELUDE_USER;
	result = line_reader_peek(&prelude->input, &line, &len);
	while (result != LINE_MORE && prelude->skips) {
		prelude->skips = result == LINE_TOO_LONG;
		line_reader_consume(&prelude->input, len);
		result = line_reader_peek(&prelude->input, &line, &len);
	}
	if (result == LINE_MORE)
		return PRELUDE_MORE;
	if (result == LINE_TOO_LONG) {
		prelude->skips = true;
		return prelude_answer(prelude, len, too_long, ret_reply);
	}
	command_parse(line, len, &command);
	if (command_hidden(line, len, &command) != NULL)
		return prelude_answer(prelude, len,
		    "500 Refused by culvert: some servers would read it as "
		    "another command.\r\n",
		    ret_reply);
	if (command.verb == VERB_USER &&
	    take_user(prelude, line + command.arg_at, command.arg_len))
		return PRELUDE_USER;
	if (prelude_answer(prelude, len, prelude_reply_to(&command, line),
		ret_reply) == PRELUDE_END ||
	    command.verb == VERB_QUIT)
		return PRELUDE_END;
	return PRELUDE_REPLY;
}

const uint8_t *
prelude_rest(struct prelude *prelude, size_t *ret_len)
{
	return line_reader_behind(&prelude->input, 0, ret_len);
}
