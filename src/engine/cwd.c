/*
 * The control engine: the working directory at the server, to which paths in
 * commands are relative.
 *
 * Only the server knows it.  culvert sends a PWD of its own after each login,
 * and after each command that enters a directory or may move the current one
 * (RNTO), whatever the reply to that was.  Until the reply, all commands of the
 * client but ABOR and QUIT wait, so that no other reply can be taken for that
 * of the PWD.  A reply other than 257 may mean that this has happened: from
 * then on relative paths are refused.
 *
 *	UNKNOWN, REFUSED, KNOWN
 *	      -> WANTED     a login, CWD, CDUP or RNTO was answered
 *	UNKNOWN -> WANTED   a command comes that may contain a path
 *	WANTED -> ASKED     PWD was sent
 *	ASKED -> KNOWN      257
 *	      -> REFUSED    530: the user has not logged in
 *	      -> LOST       any other reply, or none
 *	any -> UNKNOWN      USER, REIN; but not from LOST
 */
#include <stdlib.h>
#include <string.h>

#include "engine/priv.h"
#include "ftp/path.h"

void
cwd_pass(struct engine *engine, const struct command *command)
{
	if (command->takes == TAKES_TREE)
		engine->cwd.left = false;
	else if ((command->flags & VERB_MOVES) != 0)
		engine->cwd.left = true;
}

static void
cwd_enter(struct engine *engine, enum cwd_state state)
{
	if (engine->cwd.state == CWD_LOST)
		return;
	free(engine->cwd.path);
	engine->cwd.path = NULL;
	engine->cwd.state = state;
}

/* Has the client sent a command without a reply yet that may change it? */
static bool
is_moving(const struct engine *engine)
{
	const struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (exchange_is_of(exchange, PARTY_CLIENT) &&
		    (exchange->flags & VERB_MOVES) != 0)
			return true;
	return false;
}

enum step
cwd_step(struct engine *engine)
{
	struct exchange *pwd;

	if (engine->cwd.state != CWD_WANTED || engine->server_shut)
		return STEP_IDLE;
	pwd = exchange_add(engine, EXCHANGE_OWN_PWD, VERB_OTHER);
	if (pwd == NULL)
		return STEP_DONE;
	cwd_enter(engine, CWD_ASKED);
	engine_sendf(engine, ENGINE_SERVER, "PWD");
	exchange_time(engine, pwd);
	return STEP_DONE;
}

enum step
cwd_await(struct engine *engine, const uint8_t *line, size_t len)
{
	enum cwd_state state = engine->cwd.state;
	struct command command;

	if (!paths_have_rules(engine))
		return STEP_IDLE;
	command_parse(line, len, &command);
	if (command.verb == VERB_ABOR || command.verb == VERB_QUIT)
		return STEP_IDLE;
	if (state == CWD_WANTED || state == CWD_ASKED || is_moving(engine))
		return STEP_WAIT;
	if (state != CWD_UNKNOWN || command.takes == TAKES_NOTHING)
		return STEP_IDLE;
	/* No PWD was sent yet, because the server needs no login. */
	cwd_enter(engine, CWD_WANTED);
	cwd_step(engine);
	return STEP_WAIT;
}

static void
lose(struct engine *engine, const char *why)
{
	if (engine->cwd.state != CWD_LOST)
		engine_logf(engine, ENGINE_WARN,
		    "the working directory is unknown (%s): relative paths are "
		    "refused from now on",
		    why);
	cwd_enter(engine, CWD_LOST);
}

bool
cwd_fits(const struct exchange *pwd, unsigned code)
{
	return !match_is_of_transfer(code) && !match_announces(code);
}

bool
cwd_expects(const struct exchange *pwd, unsigned code)
{
	return code == 257;
}

static void
cwd_learn(struct engine *engine, unsigned code, const uint8_t *line, size_t len)
{
	char path[PATH_TEXT_MAX];

	if (code == 530) {
		cwd_enter(engine, CWD_REFUSED);
		return;
	}
	if (path_parse_257(line, len, path) != 0) {
		lose(engine, "culvert does not understand the reply to PWD");
		return;
	}
	cwd_enter(engine, CWD_KNOWN);
	engine->cwd.path = strndup(path, sizeof(path));
	if (engine->cwd.path == NULL)
		engine->failed = true;
}

enum step
cwd_begin(struct engine *engine, struct exchange *pwd, unsigned code,
    const uint8_t *line, size_t len)
{
	engine->reply.how = DROP;
	if (engine->cwd.state == CWD_ASKED)
		cwd_learn(engine, code, line, len);
	return STEP_DONE;
}

void
cwd_abandon(struct engine *engine, struct exchange *exchange)
{
	if (exchange->type == EXCHANGE_OWN_PWD &&
	    engine->cwd.state == CWD_ASKED)
		lose(engine, "the server did not answer PWD");
}

/* Such a code does not answer a command that enters a directory, but another
 * one (ABOR can have two replies).  Then it is not certain which reply is that
 * of our PWD. */
static bool
is_anothers(unsigned code)
{
	return code == 225 || code == 226 || code == 257 || code == 425 ||
	    code == 426;
}

/* The reply may contain text of clients, as the names of files in a listing,
 * and such a text can look like the next reply.  A reply to a login contains
 * none. */
void
cwd_unfinished(struct engine *engine, const struct exchange *replying)
{
	if (!paths_have_rules(engine) ||
	    (replying != NULL &&
		(replying->type == EXCHANGE_GREETING ||
		    replying->verb == VERB_USER ||
		    replying->verb == VERB_PASS ||
		    replying->verb == VERB_ACCT)))
		return;
	lose(engine, "the server did not end a reply");
}

void
cwd_stray(struct engine *engine, unsigned code)
{
	if (paths_have_rules(engine) && code == 257)
		lose(engine, "the server sent a 257 reply to no command");
}

void
cwd_moved(struct engine *engine, struct exchange *exchange, unsigned code)
{
	bool user = exchange->verb == VERB_USER || exchange->verb == VERB_REIN;
	bool login = exchange->verb == VERB_PASS || exchange->verb == VERB_ACCT;

	if (!paths_have_rules(engine) || (exchange->flags & VERB_MOVES) == 0)
		return;
	exchange->flags &= ~(unsigned)VERB_MOVES;
	if (is_anothers(code))
		lose(engine,
		    "the reply to a change of directory may belong to another "
		    "command");
	if (login && code >= 300)
		return;
	cwd_enter(engine,
	    !user || (exchange->verb == VERB_USER && code < 300) ? CWD_WANTED :
								   CWD_UNKNOWN);
}
