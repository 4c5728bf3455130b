/*
 * The control engine: the working directory at the server, for paths that are
 * relative to it.
 *
 * Only the server knows it, and is asked, by a PWD of our own: after each login
 * and each command that enters a directory or may move the one that we are in
 * (RNTO), whatever the answer to that was.  All the client's commands but ABOR
 * and QUIT wait meanwhile, so that no other reply can be taken for that of our
 * PWD; one that is no 257 may mean that one has been, and from then on relative
 * paths are refused.
 *
 *	UNKNOWN -> WANTED   a login, CWD, CDUP or RNTO has been answered; or a
 *	                    command comes that there may be a path in
 *	WANTED -> ASKED     PWD was sent
 *	ASKED -> KNOWN      257
 *	      -> UNKNOWN    530: nobody has logged in
 *	      -> LOST       anything else, or nothing
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

/* Is what the client has sent before likely to change it? */
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
	if (cwd->lost || cwd->request != NULL || engine->server_shut)
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
	/* Of a server that wants no login. */
	if (cwd->path != NULL || cwd->asked || cwd->lost ||
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
	if (!engine->cwd.lost)
		engine_logf(engine, ENGINE_WARN,
		    "the working directory is not known (%s): relative paths "
		    "are refused from here on",
		    why);
	engine->cwd.lost = true;
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
		lose(engine, "of the reply to PWD");
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
	lose(engine, "PWD is not answered");
}

/* One reply too many of ABOR, or another's: then no reply is certain to be that
 * to our PWD. */
static bool
is_anothers(unsigned code)
{
	return code == 225 || code == 226 || code == 257 || code == 425 ||
	    code == 426;
}

/* What a client has written may stand in it, as a name in a listing, and then
 * behind it as a reply; but not in the words at a login. */
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
		lose(engine, "of a 257 that nobody has asked for");
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
		lose(engine, "of the reply to what has entered a directory");
	if (login && code >= 300)
		return;
	cwd_forget(engine);
	if (user)
		cwd->asked = false;
	cwd->wanted = !user || (exchange->verb == VERB_USER && code < 300);
}
