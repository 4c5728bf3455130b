/*
 * A side for tunnels with --login ssh: each session has an SSH connection of
 * its own, and reaches its FTP server by that.  Connecting for control makes a
 * session with a front (gateway/front.h); side_for_data() then gives the far
 * side of its connection.
 */
#ifndef GATEWAY_FRONT_SIDE_H
#define GATEWAY_FRONT_SIDE_H

#include "ssh/login.h"
#include "tunnel/side.h"

struct front_side_options {
	uv_loop_t *loop;
	struct net *net;
	struct ssh_logins *logins;
	const struct link_options *link; /* of the first to the destination */
	const char *log_name;		 /* of the tunnel; or NULL */
};

/* options is copied, what it points to is borrowed.  NULL when out of memory.
 */
struct side *front_side_new(const struct front_side_options *options);

#endif
