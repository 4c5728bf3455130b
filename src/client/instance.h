/*
 * The running culverts that a command can talk to through their control sockets
 * (process/control.h).  These functions block, so only subcommands call them.
 */
#ifndef CLIENT_INSTANCE_H
#define CLIENT_INSTANCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The most culverts that are looked for. */
#define INSTANCES_MAX 64

#define INSTANCE_WHY_MAX 300

/* A running culvert, and the connection to its control socket. */
struct instance {
	char path[128]; /* of its control socket */
	int fd;
	char *rest; /* heap, owned: bytes received after the last answer */
	size_t len;
};

/*
 * Connects to the control socket at path; if path is NULL, to those of all
 * culverts of this user, and for root also to those of the services.  They are
 * searched for in $XDG_RUNTIME_DIR, $TMPDIR and /tmp, and for root in
 * /run/culvert*; a directory that belongs to somebody else is ignored.
 * Returns how many were found; 0 with the reason, for the user, in why.
 */
size_t instances_open(const char *path,
    struct instance instances[INSTANCES_MAX], char why[INSTANCE_WHY_MAX]);

void instances_close(struct instance *instances, size_t n);

/*
 * Sends a request, which it frees.  Returns the answer, which the caller frees
 * with json_decref().  Returns NULL with the reason in why if the connection
 * has ended, no answer has come for 30 seconds, or the answer is an error.  If
 * there was no answer, it closes the connection, and fd becomes -1.
 */
json_t *instance_request(struct instance *instance, json_t *request,
    char why[INSTANCE_WHY_MAX]);

/* Requests "status"; otherwise like instance_request(). */
json_t *instance_status(struct instance *instance, char why[INSTANCE_WHY_MAX]);

/* Removes from status, an answer to "status", all tunnels except those with one
 * of the n names, and all destinations that have no tunnel then.  Returns false
 * if no tunnel is left. */
bool status_keep(json_t *status, const char *const *names, size_t n);

/* Waits until this culvert has exited. */
void instance_wait_end(struct instance *instance);

#endif
