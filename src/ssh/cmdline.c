/*
 * The argument vectors of ssh.
 */
#include "ssh/cmdline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/account.h"
#include "limits.h"

#define CMDLINE_SOCKET_NAME "ctl"

/*
 * ssh uses the first value of an option.  These come before the user's options
 * and configuration, so they cannot be overridden.
 */
static const char *const cmdline_fixed[] = {
	"-N", /* no session; also overrides SessionType and RequestTTY */
	"-T",
	"-a",
	"-x",
	/* A master that stays in the foreground, and does not ask for
	 * confirmation of each connection to it. */
	"-oControlMaster=yes",
	"-oControlPersist=no",
	"-oForkAfterAuthentication=no",
	/* A user who configures these means logins. */
	"-oRemoteCommand=none",
	"-oClearAllForwardings=yes",
};

#define CMDLINE_N_FIXED (sizeof(cmdline_fixed) / sizeof(cmdline_fixed[0]))

/*
 * The same for CMDLINE_LOGIN.  ssh asks for a password, once, and nothing else
 * can be a login: no key, agent or ticket of the user who runs culvert.  It
 * connects to no host whose key is not known.
 */
static const char *const cmdline_login[] = {
	"-oBatchMode=no", /* it would not run SSH_ASKPASS */
	"-oNumberOfPasswordPrompts=1",
	"-oPreferredAuthentications=keyboard-interactive,password",
	"-oKbdInteractiveAuthentication=yes",
	"-oPasswordAuthentication=yes",
	"-oPubkeyAuthentication=no",
	"-oGSSAPIAuthentication=no",
	"-oHostbasedAuthentication=no",
	"-oIdentityAgent=none",
	"-oStrictHostKeyChecking=yes",
	"-oUpdateHostKeys=no",
	"-oPermitLocalCommand=no",
};

#define CMDLINE_N_LOGIN (sizeof(cmdline_login) / sizeof(cmdline_login[0]))

/* The program, BatchMode, -l and the user, Port, -S and its path, Ciphers, the
 * two time-outs, "--", the destination, and NULL; ssh -G has fewer. */
#define CMDLINE_N_MORE (CMDLINE_N_LOGIN + 13)

/* The arguments that are made here.  In memory they follow the vector. */
struct cmdline_texts {
	char path[2 * CMDLINE_PATH_MAX];
	char ciphers[sizeof("-oCiphers=") + LIMIT_SSH_CIPHERS];
	char interval[sizeof("-oServerAliveInterval=") + 16];
	char connect[sizeof("-oConnectTimeout=") + 16];
	char port[sizeof("-oPort=") + 16];
	struct account account;
};

/* A vector that is being filled. */
struct cmdline_vector {
	char **argv;
	size_t n;
	struct cmdline_texts *texts;
};

void
cmdline_destination_directory(const char *private, size_t to,
    char directory[CMDLINE_DIRECTORY_MAX])
{
	if (to == 0)
		snprintf(directory, CMDLINE_DIRECTORY_MAX, "%s", private);
	else
		snprintf(directory, CMDLINE_DIRECTORY_MAX, "%s/d%zu", private,
		    to);
}

struct link_options
cmdline_link_options(const struct link_options *first, size_t link,
    char directory[CMDLINE_DIRECTORY_MAX])
{
	struct link_options options = *first;

	options.number = link;
	if (link == 0)
		return options;
	snprintf(directory, CMDLINE_DIRECTORY_MAX, "%s/%zu", first->directory,
	    link + 1);
	options.directory = directory;
	options.batch = true;
	options.quiet = true;
	options.apart = true;
	options.find_defaults = false; /* the first link has them */
	return options;
}

int
cmdline_path(const char *directory, char path[CMDLINE_PATH_MAX])
{
	int len = snprintf(path, CMDLINE_PATH_MAX, "%s/%s", directory,
	    CMDLINE_SOCKET_NAME);

	return len >= 0 && (size_t)len < CMDLINE_PATH_MAX ? 0 : -ENAMETOOLONG;
}

static void
cmdline_put(struct cmdline_vector *vector, const char *word)
{
	vector->argv[vector->n++] = (char *)(uintptr_t)word;
}

/* ssh expands '%' in a ControlPath; "%%" stands for '%'. */
static void
cmdline_put_path(struct cmdline_vector *vector, const char *path)
{
	char *to = vector->texts->path;

	/* ssh uses the last -S, unlike -o. */
	cmdline_put(vector, "-S");
	cmdline_put(vector, to);
	for (; *path != '\0'; path++) {
		*to++ = *path;
		if (*path == '%')
			*to++ = '%';
	}
	*to = '\0';
}

/* ssh uses the first -l and the first Port.  The account is copied, because a
 * vector borrows only what the user has configured. */
static void
cmdline_put_account(struct cmdline_vector *vector,
    const struct account *account)
{
	struct cmdline_texts *texts = vector->texts;

	texts->account = *account;
	for (size_t i = 0; i < CMDLINE_N_LOGIN; i++)
		cmdline_put(vector, cmdline_login[i]);
	cmdline_put(vector, "-l");
	cmdline_put(vector, texts->account.user);
	if (account->port == 0)
		return;
	snprintf(texts->port, sizeof(texts->port), "-oPort=%u", account->port);
	cmdline_put(vector, texts->port);
}

static void
cmdline_put_users(struct cmdline_vector *vector,
    const struct link_options *options)
{
	cmdline_put(vector, options->program);
	for (size_t i = 0; i < CMDLINE_N_FIXED; i++)
		cmdline_put(vector, cmdline_fixed[i]);
	if (options->account != NULL)
		cmdline_put_account(vector, options->account);
	else if (options->batch)
		cmdline_put(vector, "-oBatchMode=yes");
	for (size_t i = 0; i < options->n_arguments; i++)
		cmdline_put(vector, options->arguments[i]);
}

static void
cmdline_put_master(struct cmdline_vector *vector, const struct cmdline *cmdline,
    const struct link_options *options, const char *path)
{
	struct cmdline_texts *texts = vector->texts;

	cmdline_put_users(vector, options);
	cmdline_put_path(vector, path);
	if (cmdline->ciphers != NULL) {
		snprintf(texts->ciphers, sizeof(texts->ciphers), "-oCiphers=%s",
		    cmdline->ciphers);
		cmdline_put(vector, texts->ciphers);
	}
	if ((cmdline->timeouts & LINK_ALIVE) != 0) {
		snprintf(texts->interval, sizeof(texts->interval),
		    "-oServerAliveInterval=%d", LIMIT_SERVER_ALIVE_S);
		cmdline_put(vector, texts->interval);
	}
	if ((cmdline->timeouts & LINK_CONNECT) != 0) {
		snprintf(texts->connect, sizeof(texts->connect),
		    "-oConnectTimeout=%d", LIMIT_SSH_CONNECT_S);
		cmdline_put(vector, texts->connect);
	}
	cmdline_put(vector, "--");
	cmdline_put(vector,
	    options->account != NULL && texts->account.host[0] != '\0' ?
		texts->account.host :
		options->destination);
}

static void
cmdline_put_own(struct cmdline_vector *vector,
    const struct link_options *options)
{
	cmdline_put(vector, options->program);
	cmdline_put(vector, "-F");
	cmdline_put(vector, "none");
	/* Debian's ssh has another default of ServerAliveInterval then. */
	cmdline_put(vector,
	    options->batch ? "-oBatchMode=yes" : "-oBatchMode=no");
	cmdline_put(vector, "-G");
	cmdline_put(vector, "--");
	cmdline_put(vector, "host.invalid");
}

char **
cmdline_make(const struct cmdline *cmdline, const struct link_options *first)
{
	char directory[CMDLINE_DIRECTORY_MAX], path[CMDLINE_PATH_MAX];
	struct link_options options =
	    cmdline_link_options(first, cmdline->link, directory);
	size_t n_max = CMDLINE_N_FIXED + options.n_arguments + CMDLINE_N_MORE;
	struct cmdline_vector vector = { .n = 0 };

	options.account =
	    cmdline->kind == CMDLINE_LOGIN ? cmdline->account : NULL;
	if (cmdline_path(options.directory, path) != 0)
		return NULL;
	vector.argv =
	    calloc(1, n_max * sizeof(char *) + sizeof(struct cmdline_texts));
	if (vector.argv == NULL)
		return NULL;
	vector.texts = (struct cmdline_texts *)(void *)(vector.argv + n_max);
	switch (cmdline->kind) {
	case CMDLINE_MASTER:
	case CMDLINE_LOGIN:
		cmdline_put_master(&vector, cmdline, &options, path);
		break;
	case CMDLINE_CONFIGURED:
		cmdline_put_users(&vector, &options);
		cmdline_put(&vector, "-G");
		cmdline_put(&vector, "--");
		cmdline_put(&vector, options.destination);
		break;
	case CMDLINE_OWN:
		cmdline_put_own(&vector, &options);
		break;
	}
	return vector.argv;
}
