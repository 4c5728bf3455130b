/*
 * The asking side of the control socket (control.h): finds it, and talks to it.
 * Blocking; for commands that do nothing else.
 */
#ifndef CLIENT_ASK_H
#define CLIENT_ASK_H

#include <jansson.h>
#include <stddef.h>

/* So many are looked at, at most. */
#define ASK_MAX 64

#define ASK_WHY_MAX 300

/* One culvert that runs. */
struct asked {
	char path[128]; /* of its control socket */
	int fd;
	char *rest; /* heap: what has come behind the last answer; its own */
	size_t len;
};

/*
 * Connects to all culverts of this user that run, and for root to those of the
 * services (/run/culvert*), too: each has its socket in a private directory, in
 * $XDG_RUNTIME_DIR, $TMPDIR or /tmp, of which only such are taken that belong
 * to us.  path: to that socket only, or NULL. Returns how many there are; 0
 * with a text for people in why.
 */
size_t ask_open(const char *path, struct asked asked[ASK_MAX],
    char why[ASK_WHY_MAX]);

void ask_close(struct asked *asked, size_t n);

/*
 * One request and its answer, the caller's to json_decref().  request is taken
 * over.  NULL with why: the connection has ended, nothing came for 30 seconds
 * (then it is closed, fd -1), or the answer is an error.
 */
json_t *ask(struct asked *asked, json_t *request, char why[ASK_WHY_MAX]);

/* Waits until that culvert has ended. */
void ask_wait_end(struct asked *asked);

#endif
