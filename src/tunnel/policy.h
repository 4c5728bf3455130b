/*
 * What the user permits, and who may connect.
 */
#ifndef TUNNEL_POLICY_H
#define TUNNEL_POLICY_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/subnet.h"
#include "engine/engine.h"
#include "net/owner.h"
#include "tunnel/admission.h"
#include "tunnel/ports.h"

/* What the user allows and wants; the same for all tunnels of a destination. */
struct policy {
	const struct subnet *allow; /* --allow; none: everybody */
	size_t n_allow;
	bool any_user; /* over loopback, other local users may connect */
	bool pass_foreign_port;
	bool allow_tls;
	struct engine_policy commands; /* that are refused */
	uint64_t rate;	       /* data bytes/s of each tunnel; 0: no limit */
	uint64_t session_rate; /* ... of each session */
	unsigned max_lines;    /* of a client in a second; 0: no limit */
	unsigned max_data;     /* data connections of a session at one time */
	uint64_t login_ms;     /* a session without a login ends; 0: never */
	uint64_t keepalive_ms; /* NOOP after so long without traffic; 0: none */
	bool many_links;       /* more than one SSH connection */
	enum engine_mode server_mode;
	bool server_data_host_reply;   /* connect to the address in a 227 */
	bool client_data_host_control; /* ignore the address in a PORT */
	struct addr client_address;    /* goes into 227 and 228; or AF_UNSPEC */
	struct ports *client_ports;    /* where the near side listens for FTP
					* clients; NULL: any port */
	struct owners *owners;	       /* borrowed; looks up local users */
};

/* May clients at that address connect?  (--allow) */
bool policy_allows(const struct policy *policy, const struct addr *peer);

/*
 * May the client of a control connection from *peer to *local, both known, have
 * a session?  Its address must be one of --allow, and over loopback it must
 * belong to the user who runs culvert (unless any_user).  If not, *ret_refusal
 * and why, a text for people of why_size bytes, have the reason.
 */
bool policy_takes(const struct policy *policy, const struct addr *local,
    const struct addr *peer, char *why, size_t why_size,
    enum refusal *ret_refusal);

/* The client of a control connection, as far as this host can tell. */
struct policy_peer {
	struct addr addr; /* the client's end */
	struct addr at;	  /* our end */
	bool local;	  /* it is over loopback, so the user counts */
	bool uid_known;
	uid_t uid; /* of the client */
};

/* Fills in *ret for a control connection from *peer to *local (AF_UNSPEC: not
 * known) that policy_takes() has permitted. */
void policy_learn(const struct policy *policy, const struct addr *local,
    const struct addr *peer, struct policy_peer *ret);

/* Has that client closed its control connection, and not only ended its
 * direction?  Only over loopback can this be seen; else false. */
bool policy_has_closed(const struct policy *policy,
    const struct policy_peer *client);

enum policy_answer {
	POLICY_ADMITTED,
	POLICY_STRANGER, /* it is somebody else's */
	POLICY_UNKNOWN,	 /* nobody can tell any more; it may be the client's */
};

/*
 * May a data connection from *peer to *local belong to that client?  It must
 * come from the same address, and over loopback from the same user (unless
 * any_user).  If an address is not known, as on the far side, everybody is
 * admitted.  If not, why, of why_size bytes, has the reason and what to do.
 */
enum policy_answer policy_admits(const struct policy *policy,
    const struct policy_peer *client, const struct addr *local,
    const struct addr *peer, char *why, size_t why_size);

#endif
