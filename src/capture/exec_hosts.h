/*
 * The /etc/hosts of a command with names of --map.  Whatever opens that file to
 * read it gets this one; so the look-up of names finds them, without a
 * namespace, also in static programs.
 */
#ifndef CAPTURE_EXEC_HOSTS_H
#define CAPTURE_EXEC_HOSTS_H

#include <stdbool.h>

#include "capture/exec.h"
#include "capture/tracee.h"

/*
 * Makes the file: this host's /etc/hosts without the names of plan->maps, and
 * these with their addresses.  Returns a descriptor, which the caller closes,
 * or a negative errno.
 */
int exec_hosts_make(const struct exec_plan *plan);

/* Answers a call that opens a file: with hosts if it opens /etc/hosts to read
 * it, else it continues. */
void exec_hosts_open(const struct tracee *tracee, int hosts);

/* Is path the socket of a service that looks names up for others, and knows
 * nothing of --map?  Without it, libc looks names up itself. */
bool exec_hosts_is_service(const char *path);

#endif
