/*
 * culvert exec: which TCP connections of a command go through SSH, and what the
 * processes say to each other about them.
 *
 *	culvert exec (the supervisor) <--- questions, answers ---> main process
 *	     |  ^
 *	     |  | each connect(2), by seccomp(2)'s user notification
 *	     v  |
 *	the command, its threads and its children
 *
 * The supervisor (capture/supervisor.h) asks the main process where a
 * connection is to go.  The main process makes a tunnel for each host and port
 * that is captured, on a loopback address; the supervisor connects the
 * command's own socket to it.
 */
#ifndef CAPTURE_EXEC_H
#define CAPTURE_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/subnet.h"
#include "limits.h"

/* Longest name of a host (RFC 1035 section 2.3.4), with its NUL. */
#define EXEC_HOST_MAX 256

/* The port that is captured at every host but loopback addresses (RFC 959). */
#define EXEC_FTP_PORT 21

/* --capture: connections to that network and port. */
struct exec_pattern {
	bool any; /* of every host but loopback addresses */
	struct subnet net;
	uint16_t port;
};

/* --map: the command sees name at an address of its own, and the far side looks
 * host up. */
struct exec_map {
	char name[EXEC_HOST_MAX];
	char host[EXEC_HOST_MAX];
};

struct exec_plan {
	struct exec_pattern patterns[LIMIT_EXEC_PATTERNS];
	size_t n_patterns;
	struct exec_map maps[LIMIT_EXEC_MAPS];
	size_t n_maps;
	bool only;    /* TCP connections that are not captured are refused,
		       * except to loopback addresses */
	bool gateway; /* captured connections get the destination's SFTP
		       * server, not an FTP server */
};

/*
 * Adds the value of --map: "NAME" or "NAME=HOST".  Returns 0, or -EINVAL with
 * what is wrong in why, of why_size bytes.
 */
int exec_plan_map(struct exec_plan *plan, const char *text, char *why,
    size_t why_size);

/*
 * Adds the value of --capture: "HOST" or "HOST:PORT"; HOST is "*", an address
 * (IPv6 in brackets if a port follows), a network, a name of --map, or another
 * name, which is looked up here and now.  Without a port it is port 21.  Call
 * it after all exec_plan_map().  Returns like that.
 */
int exec_plan_capture(struct exec_plan *plan, const char *text, char *why,
    size_t why_size);

/* The address of plan->maps[n]: 127.121.0.1 and up, so that a connection that
 * were not captured could not leave this host. */
struct addr exec_map_address(size_t n);

/* The mapping with that address, or NULL. */
const struct exec_map *exec_plan_mapped(const struct exec_plan *plan,
    const struct addr *at);

/* Is a connection to *to, an address and a port, captured? */
bool exec_plan_captures(const struct exec_plan *plan, const struct addr *to);

/* The socket address for at in a socket of IPv4 or, v6, IPv6, where an IPv4
 * address is an IPv4-mapped one.  Returns its length. */
socklen_t exec_sockaddr(const struct addr *at, bool v6,
    struct sockaddr_storage *ret);

/* ---- between the two processes, one packet each ---- */

enum exec_event {
	EXEC_CONNECT,  /* the command connects: where to? */
	EXEC_ACCEPTED, /* it has accepted a connection: is it of a tunnel? */
};

struct exec_question {
	uint64_t number; /* of the question; the answer repeats it */
	uint32_t event;	 /* enum exec_event */
	struct addr to;	 /* EXEC_ACCEPTED: where it comes from */
};

enum exec_verdict {
	EXEC_DIRECT,  /* where the command wants */
	EXEC_TUNNEL,  /* to a tunnel, or its data connection, on this host */
	EXEC_REFUSED, /* nowhere: because of --only */
	EXEC_FAILED,  /* nowhere: it cannot be captured now */
	EXEC_OVER,    /* nowhere: there was a data connection, which is over */
};

struct exec_answer {
	uint64_t number;
	uint32_t verdict; /* enum exec_verdict */
	struct addr at;	  /* EXEC_TUNNEL: a loopback address, and the port; to
			   * EXEC_ACCEPTED: the server as the command has it */
};

#endif
