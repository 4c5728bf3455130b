/*
 * The control engine: --allow-path and --deny-path.
 *
 * Each path in a command is made absolute, by the working directory that
 * engine/cwd.c has found, and is then permitted or refused.
 */
#include <string.h>

#include "engine/priv.h"
#include "ftp/path.h"

/* How the command uses a path. */
enum as {
	AS_FILE = 0,
	AS_DIRECTORY = 1 << 0, /* entered, or listed */
	AS_TREE = 1 << 1,      /* with everything below it */
	AS_MOVED = 1 << 2,     /* AS_TREE, and what is below keeps its name */
	AS_ENTERED = 1 << 3,   /* a PWD after it tells where that is */
};

static const struct veto passes = { NULL, NULL, NULL };

bool
paths_have_rules(const struct engine *engine)
{
	const struct engine_policy *policy = engine->config.policy;

	return policy != NULL && policy->n_allow_path + policy->n_deny_path > 0;
}

/* ---- one path ---- */

static struct veto
veto_because(const struct engine *engine, const char *why)
{
	return (struct veto) {
		.policy = engine->config.policy->n_allow_path > 0 ?
		    "--allow-path" :
		    "--deny-path",
		.why = why,
	};
}

/* "*.exe": such names do not depend on the directory. */
static bool
is_about_names(const char *glob)
{
	return glob[0] == '*' && strchr(glob, '/') == NULL;
}

static bool
paths_deny(const char *glob, const char *path, unsigned as)
{
	if (path_is_within(glob, path))
		return true;
	if ((as & AS_DIRECTORY) != 0 &&
	    path_matches_directory(glob, path, true))
		return true;
	return (as & AS_TREE) != 0 &&
	    !((as & AS_MOVED) != 0 && is_about_names(glob)) &&
	    path_may_match_below(glob, path);
}

static bool
is_allowed(const char *glob, const char *path, unsigned as)
{
	if ((as & AS_TREE) != 0 && !path_matches_below(glob, path))
		return false;
	if ((as & AS_DIRECTORY) != 0)
		return path_matches_directory(glob, path, false);
	return path_matches(glob, path, false);
}

static struct veto
check_denied(const struct engine *engine, const char *path, unsigned as)
{
	const struct engine_policy *policy = engine->config.policy;

	for (size_t i = 0; i < policy->n_deny_path; i++)
		if (paths_deny(policy->deny_path[i], path, as))
			return (struct veto) { .policy = "--deny-path",
				.rule = policy->deny_path[i] };
	return passes;
}

static struct veto
check_path(const struct engine *engine, const char *path, unsigned as)
{
	const struct engine_policy *policy = engine->config.policy;
	struct veto veto = check_denied(engine, path, as);

	if (veto.policy != NULL || policy->n_allow_path == 0)
		return veto;
	for (size_t i = 0; i < policy->n_allow_path; i++)
		if (is_allowed(policy->allow_path[i], path, as))
			return passes;
	return (struct veto) { .policy = "--allow-path" };
}

/* Makes text absolute; refuses it if that is not possible. */
static struct veto
make_absolute(const struct engine *engine, const uint8_t *text, size_t len,
    char path[PATH_TEXT_MAX])
{
	if ((len == 0 || text[0] != '/') && engine->cwd.path == NULL)
		return veto_because(engine, "the working directory is unknown");
	if (path_resolve(engine->cwd.path, text, len, path) != 0)
		return veto_because(engine, "the path is too long");
	return passes;
}

static struct veto
check_text(const struct engine *engine, const uint8_t *text, size_t len,
    unsigned as)
{
	char path[PATH_TEXT_MAX];
	struct veto veto;
	const char *why;

	if (!path_is_plain(text, len, &why))
		return veto_because(engine, why);
	/* Since the reply to PWD, somebody may have moved the working
	 * directory, so that it has another parent now; pure-ftpd's PWD does
	 * not show that. */
	if ((as & AS_ENTERED) == 0 && path_goes_up(text, len))
		return veto_because(engine,
		    "the path leaves the working directory with \"..\"");
	veto = make_absolute(engine, text, len, path);
	return veto.policy != NULL ? veto : check_path(engine, path, as);
}

/* Checks the working directory (name ""), or that name in it. */
static struct veto
check_here(const struct engine *engine, const char *name, unsigned as)
{
	char path[PATH_TEXT_MAX];
	struct veto veto =
	    make_absolute(engine, (const uint8_t *)name, strlen(name), path);

	return veto.policy != NULL ? veto : check_path(engine, path, as);
}

/* ---- listings ---- */

/* "-la " in front of a path, or between paths. */
struct options {
	bool any;
	bool odd;
	bool recursive;	  /* -R */
	bool all;	  /* -a, -A */
	bool short_lines; /* an option other than -a, -A, -l: lines may begin
			   * with names of files */
};

static bool
is_option_letter(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	    (byte >= '0' && byte <= '9');
}

/* Returns the length of the word at *at, and moves *at after it and a blank.
 * len: of arg. */
static size_t
next_word(const uint8_t *arg, size_t len, size_t *at)
{
	const uint8_t *blank = memchr(arg + *at, ' ', len - *at);
	size_t n = blank != NULL ? (size_t)(blank - arg) - *at : len - *at;

	*at += n + (blank != NULL);
	return n;
}

static void
read_options(struct options *options, const uint8_t *word, size_t len)
{
	options->any = true;
	options->odd |= len < 2;
	for (size_t i = 1; i < len; i++) {
		options->odd |= !is_option_letter(word[i]);
		options->recursive |= word[i] == 'R';
		options->all |= word[i] == 'a' || word[i] == 'A';
		options->short_lines |= strchr("aAl", word[i]) == NULL;
	}
}

/* Reads all words that begin with a hyphen.  Returns where the first other word
 * begins. */
static size_t
find_options(struct options *options, const uint8_t *arg, size_t len)
{
	size_t path = len, begin, n;

	*options = (struct options) { .any = false };
	for (size_t at = 0; at < len;) {
		begin = at;
		n = next_word(arg, len, &at);
		if (n > 0 && arg[begin] == '-')
			read_options(options, arg + begin, n);
		else if (path == len)
			path = begin;
	}
	return path;
}

/* Returns where the last component before the first wildcard begins; len: no
 * wildcard. */
static size_t
wildcard_at(const uint8_t *text, size_t len)
{
	size_t begin = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '/')
			begin = i + 1;
		if (text[i] == '*' || text[i] == '?' || text[i] == '[' ||
		    text[i] == '{')
			return begin;
	}
	return len;
}

/*
 * Whatever wildcards match is below the directory in front of them: everything
 * below that must be permitted.  Some wildcards also match ".." (pure-ftpd with
 * -a), and braces can contain any path.
 */
static struct veto
check_wildcards(const struct engine *engine, const struct options *options,
    const uint8_t *text, size_t len, size_t at)
{
	for (size_t i = at; i < len; i++)
		if (text[i] == '{' ||
		    ((text[i] == '.' || text[i] == '[' || text[i] == '?') &&
			(i == at || text[i - 1] == '/')))
			return veto_because(engine,
			    "its wildcards may match other directories");
	if (options->all)
		return veto_because(engine,
		    "with -a its wildcards may match other directories");
	if (at == 0)
		return check_here(engine, "", AS_DIRECTORY | AS_TREE);
	return check_text(engine, text, at, AS_DIRECTORY | AS_TREE);
}

static struct veto
check_listed(const struct engine *engine, const struct options *options,
    const uint8_t *text, size_t len)
{
	size_t at = wildcard_at(text, len);
	const char *why;

	if (!path_is_plain(text, len, &why))
		return veto_because(engine, why);
	if (at < len)
		return check_wildcards(engine, options, text, len, at);
	return check_text(engine, text, len,
	    options->recursive ? AS_DIRECTORY | AS_TREE : AS_DIRECTORY);
}

/* Servers that run ls take each word for a path, and options may be between
 * paths.  So each word must be permitted, and also all words as one path. */
static struct veto
check_words(const struct engine *engine, const struct options *options,
    const uint8_t *arg, size_t len)
{
	struct veto veto = passes;
	size_t begin, n;

	for (size_t at = 0; at < len && veto.policy == NULL;) {
		begin = at;
		n = next_word(arg, len, &at);
		if (n == 0 || arg[begin] != '-')
			veto = check_listed(engine, options, arg + begin, n);
	}
	return veto;
}

/* Servers without options for this command take them for a part of the path.
 * So the whole argument must not be denied, and must not go up. */
static struct veto
check_no_options(const struct engine *engine, const uint8_t *arg, size_t len,
    unsigned as)
{
	char path[PATH_TEXT_MAX];

	if (memmem(arg, len, "..", 2) != NULL)
		return veto_because(engine, "it contains options and \"..\"");
	if (make_absolute(engine, arg, len, path).policy != NULL)
		return passes;
	return check_denied(engine, path, as);
}

static struct veto
check_listing(const struct engine *engine, const uint8_t *arg, size_t len)
{
	struct veto veto = passes;
	struct options options;
	size_t path = find_options(&options, arg, len);
	unsigned as = options.recursive ? AS_DIRECTORY | AS_TREE : AS_DIRECTORY;

	if (options.odd)
		return veto_because(engine,
		    "culvert does not know its options");
	if (options.any)
		veto = check_no_options(engine, arg, len, as);
	if (veto.policy == NULL && path == len)
		return check_here(engine, "", as);
	if (veto.policy == NULL)
		veto = check_listed(engine, &options, arg + path, len - path);
	if (veto.policy == NULL)
		veto = check_words(engine, &options, arg + path, len - path);
	return veto;
}

/*
 * The listing of STAT is a reply.  If its lines begin with names of files (with
 * -1, or for directories that wildcards match), a file called "213 x" would
 * look like a reply of its own.  It could be taken for the reply to CWD or PWD.
 */
static struct veto
check_status(const struct engine *engine, const uint8_t *arg, size_t len)
{
	struct options options;
	size_t path = find_options(&options, arg, len);

	if (len == 0)
		return passes;
	if (options.short_lines && !options.odd)
		return veto_because(engine,
		    "lines of the listing could look like replies");
	if (wildcard_at(arg + path, len - path) < len - path)
		return veto_because(engine,
		    "names that its wildcards match could look like replies");
	return check_listing(engine, arg, len);
}

/* ---- other arguments ---- */

/* RNTO.  Some servers (vsftpd, pure-ftpd) look for the file of the RNFR in the
 * current working directory. */
static struct veto
check_new_name(const struct engine *engine, const uint8_t *arg, size_t len)
{
	if (engine->cwd.left)
		return veto_because(engine,
		    "RNFR must come immediately before it");
	return check_text(engine, arg, len, AS_FILE);
}

/* MFMT: the path after the first word. */
static struct veto
check_second(const struct engine *engine, const uint8_t *arg, size_t len)
{
	const uint8_t *blank = len > 0 ? memchr(arg, ' ', len) : NULL;
	size_t n = blank != NULL ? (size_t)(blank - arg) + 1 : len;

	return check_text(engine, arg + n, len - n, AS_FILE);
}

/* MDTM: a name, which may begin like a time, or a time and a name. */
static struct veto
check_timed(const struct engine *engine, const uint8_t *arg, size_t len)
{
	struct veto veto;
	char path[PATH_TEXT_MAX];

	if (len == 0 || arg[0] < '0' || arg[0] > '9' ||
	    memchr(arg, ' ', len) == NULL)
		return check_text(engine, arg, len, AS_FILE);
	if (memmem(arg, len, "..", 2) != NULL)
		return veto_because(engine,
		    "the path contains \"..\" after a time");
	veto = check_second(engine, arg, len);
	if (veto.policy == NULL &&
	    make_absolute(engine, arg, len, path).policy == NULL)
		veto = check_denied(engine, path, AS_FILE);
	return veto;
}

static struct veto
check_word(const struct engine *engine, const uint8_t *arg, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strchr(" \",;", arg[i]) != NULL)
			return veto_because(engine,
			    "the argument may contain more than a path");
	return check_text(engine, arg, len, AS_FILE);
}

static struct veto
check_unique(const struct engine *engine, const uint8_t *arg, size_t len)
{
	struct veto veto = check_here(engine, "", AS_DIRECTORY);

	if (veto.policy != NULL || len == 0)
		return veto;
	return check_text(engine, arg, len, AS_FILE);
}

/* PRET, as lftp sends it: "PRET RETR name". */
static struct veto
check_command(const struct engine *engine, const uint8_t *arg, size_t len)
{
	struct command command;

	command_parse(arg, len, &command);
	if (command.takes != TAKES_COMMAND && command.verb_at == 0 &&
	    command.arg_at <= command.verb_len + 1)
		return paths_veto(engine, &command, arg);
	return veto_because(engine,
	    "it may contain a path that culvert cannot check");
}

struct veto
paths_veto(const struct engine *engine, const struct command *command,
    const uint8_t *line)
{
	const uint8_t *arg = line + command->arg_at;
	size_t len = command->arg_len;

	switch (command->takes) {
	case TAKES_NOTHING:
		return passes;
	case TAKES_FILE:
		return check_text(engine, arg, len, AS_FILE);
	case TAKES_DIRECTORY:
		return check_text(engine, arg, len, AS_DIRECTORY | AS_ENTERED);
	case TAKES_PARENT:
		return check_here(engine, "..", AS_DIRECTORY);
	case TAKES_STATUS:
		return check_status(engine, arg, len);
	case TAKES_LISTED:
		return check_listing(engine, arg, len);
	case TAKES_UNIQUE:
		return check_unique(engine, arg, len);
	case TAKES_TREE:
		return check_text(engine, arg, len, AS_TREE | AS_MOVED);
	case TAKES_NEW_NAME:
		return check_new_name(engine, arg, len);
	case TAKES_SECOND:
		return check_second(engine, arg, len);
	case TAKES_TIMED:
		return check_timed(engine, arg, len);
	case TAKES_WORD:
		return check_word(engine, arg, len);
	case TAKES_SITE:
		if (policy_site_is_harmless(command, line))
			return passes;
		break;
	case TAKES_COMMAND:
		return check_command(engine, arg, len);
	case TAKES_ANYTHING:
		break;
	}
	return veto_because(engine,
	    "it may contain a path that culvert cannot check");
}
