/*
 * What culvert runs: the argument vectors of ssh, made of what the user gave
 * and of what culvert itself chooses.  Pure: nothing is run here.
 */
#ifndef SSH_CMDLINE_H
#define SSH_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#include "base/privdir.h"
#include "ssh/link.h"

/* Of the directory below the private one that a further link has: "/d63/16". */
#define CMDLINE_DIRECTORY_MAX (PRIVDIR_MAX + 8)

/* ssh binds its control socket with a dot and 16 letters behind its name
 * first. */
#define CMDLINE_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 17)

/* What one of them is for. */
enum cmdline_kind {
	CMDLINE_MASTER,	    /* the ssh of a link */
	CMDLINE_CONFIGURED, /* ssh -G: what is configured for the destination */
	CMDLINE_OWN,	    /* ssh -G: what is where nothing is configured */
};

/* What changes from one to the next; all else is the user's. */
struct cmdline {
	enum cmdline_kind kind;
	size_t to;   /* which of the monitor's destinations */
	size_t link; /* 0: the first, which may ask; below LIMIT_LINKS */
	/* Of a master, where the user's arguments have no other ones: */
	const char *ciphers; /* a list to ask for, or NULL */
	unsigned timeouts;   /* of enum link_timeout */
};

/* The directory of a destination: the private one for the first, and below that
 * for the others. */
void cmdline_destination_directory(const char *private, size_t to,
    char directory[CMDLINE_DIRECTORY_MAX]);

/*
 * The options of link number link, given those of the first: further ones ask
 * nobody and have a directory of their own, whose path goes into directory.
 */
struct link_options cmdline_link_options(const struct link_options *first,
    size_t link, char directory[CMDLINE_DIRECTORY_MAX]);

/* The path of the control socket in that directory.  0 or -ENAMETOOLONG. */
int cmdline_path(const char *directory, char path[CMDLINE_PATH_MAX]);

/* Is that a list of names of ciphers, and nothing else? */
bool cmdline_ciphers_ok(const char *ciphers);

/*
 * The argument vector, ending with NULL.  first: the options of the first link.
 * One block of memory for free(), the program's name its first; it borrows the
 * strings of first.  NULL when out of memory, or when the path is too long.
 */
char **cmdline_make(const struct cmdline *cmdline,
    const struct link_options *first);

#endif
