/*
 * The argument vectors of ssh, from the user's options and culvert's own.
 * Nothing is run here.
 */
#ifndef SSH_CMDLINE_H
#define SSH_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#include "base/privdir.h"
#include "ssh/link.h"

/* A directory in the private one: "/d63/257" behind its path. */
#define CMDLINE_DIRECTORY_MAX (PRIVDIR_MAX + 8)

/* ssh first binds its control socket with a dot and 16 letters behind the
 * name.  (The longest path of PRIVDIR_MAX, "/d63/257/ctl" and this fit.) */
#define CMDLINE_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 17)

enum cmdline_kind {
	CMDLINE_MASTER,	    /* the ssh of a link */
	CMDLINE_CONFIGURED, /* ssh -G: the configuration for the destination */
	CMDLINE_OWN,	    /* ssh -G: ssh's own defaults */
	CMDLINE_LOGIN, /* the ssh of a link that logs in with the password of an
			* FTP client (login.h) */
};

/* What differs from one ssh of a destination to the next. */
struct cmdline {
	enum cmdline_kind kind;
	size_t to; /* the number of the destination at the monitor */
	/* 0: the first; below LIMIT_LINKS.  CMDLINE_LOGIN: from 1 to
	 * LIMIT_SSH_LOGINS. */
	size_t link;
	const struct account *account; /* CMDLINE_LOGIN: a valid one */
	/* For masters and logins, where the user's arguments do not set them:
	 */
	const char *ciphers; /* a list, or NULL */
	unsigned timeouts;   /* of enum link_timeout */
};

/* The directory of destination number to: private itself for the first, below
 * it for the others. */
void cmdline_destination_directory(const char *private, size_t to,
    char directory[CMDLINE_DIRECTORY_MAX]);

/*
 * The options of link number link, from those of the first: a further link has
 * no terminal, and a directory of its own, whose path is written to directory
 * (which the result points to).
 */
struct link_options cmdline_link_options(const struct link_options *first,
    size_t link, char directory[CMDLINE_DIRECTORY_MAX]);

/* The path of the control socket in that directory.  0 or -ENAMETOOLONG. */
int cmdline_path(const char *directory, char path[CMDLINE_PATH_MAX]);

/*
 * The argument vector, ending with NULL; first: the options of the first link.
 * One block of memory for free(), which borrows the strings of first.  NULL
 * when out of memory, or if the path of the control socket is too long.
 */
char **cmdline_make(const struct cmdline *cmdline,
    const struct link_options *first);

#endif
