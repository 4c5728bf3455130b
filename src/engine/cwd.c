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
 *	UNKNOWN -> WANTED   a login, CWD, CDUP or RNTO was answered; or a
 *	                    command comes that may contain a path
 *	WANTED -> ASKED     PWD was sent
 *	ASKED -> KNOWN      257
 *	      -> UNKNOWN    530: the user has not logged in
 *	      -> LOST       any other reply, or none
 *	KNOWN -> UNKNOWN    USER, REIN
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
cwd_forget(struct engine *engine)
{
	free(engine->cwd.path);
	engine->cwd.path = NULL;
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
	struct cwd *cwd = &engine->cwd;

	if (!cwd->wanted)
		return STEP_IDLE;
	cwd->wanted = false;
	if (cwd->given_up || cwd->request != NULL || engine->server_shut)
		return STEP_IDLE;
	cwd->request = exchange_add(engine, EXCHANGE_OWN_PWD, VERB_OTHER);
	if (cwd->request == NULL)
		return STEP_DONE;
	cwd->asked = true;
	engine_sendf(engine, ENGINE_SERVER, "PWD");
	exchange_time(engine, cwd->request);
	return STEP_DONE;
}

bool
cwd_wait(struct engine *engine, const uint8_t *line, size_t len)
{
	struct cwd *cwd = &engine->cwd;
	struct command command;

	if (!paths_have_rules(engine))
		return false;
	command_parse(line, len, &command);
	if (command.verb == VERB_ABOR || command.verb == VERB_QUIT)
		return false;
	if (cwd->request != NULL || cwd->wanted || is_moving(engine))
		return true;
	/* No PWD was sent yet, because the server needs no login. */
	if (cwd->path != NULL || cwd->asked || cwd->given_up ||
	    command.takes == TAKES_NOTHING)
		return false;
	cwd->wanted = true;
	cwd_step(engine);
	return true;
}

static void
lose(struct engine *engine, const char *why)
{
	cwd_forget(engine);
	if (!engine->cwd.given_up)
		engine_logf(engine, ENGINE_WARN,
		    "the working directory is unknown (%s): relative paths are "
		    "refused from now on",
		    why);
	engine->cwd.given_up = true;
	/* The reply to a PWD that was sent before is not trusted, either. */
	engine->cwd.request = NULL;
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

	if (code == 530)
		return;
	if (path_parse_257(line, len, path) != 0) {
		lose(engine, "culvert does not understand the reply to PWD");
		return;
	}
	engine->cwd.path = strndup(path, sizeof(path));
	if (engine->cwd.path == NULL)
		engine->failed = true;
}

enum step
cwd_begin(struct engine *engine, struct exchange *pwd, unsigned code,
    const uint8_t *line, size_t len)
{
	engine->reply.how = DROP;
	if (engine->cwd.request == pwd) {
		engine->cwd.request = NULL;
		cwd_learn(engine, code, line, len);
	}
	return STEP_DONE;
}

void
cwd_abandon(struct engine *engine, struct exchange *request)
{
	if (engine->cwd.request != request)
		return;
	engine->cwd.request = NULL;
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
	struct cwd *cwd = &engine->cwd;
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
	cwd_forget(engine);
	if (user)
		cwd->asked = false;
	cwd->wanted = !user || (exchange->verb == VERB_USER && code < 300);
}
