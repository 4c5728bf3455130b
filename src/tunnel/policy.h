/*
 * Who may connect where.
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

/* What the user allows and wants; the same for all tunnels of a command. */
struct policy {
	const struct subnet *allow; /* --allow, n_allow of them; none: */
	size_t n_allow;		    /* everybody */
	bool any_user;		    /* over loopback, other local users too */
	bool pass_foreign_port;
	bool allow_tls;
	struct engine_policy commands; /* that are refused */
	uint64_t rate;	       /* of data, bytes/s of a tunnel; 0: any */
	uint64_t session_rate; /* ... of a session */
	unsigned max_lines;    /* of a client in a second; 0: any number */
	unsigned max_data;     /* data connections of a session */
	uint64_t login_ms;     /* for the login; 0: for ever */
	uint64_t keepalive_ms; /* NOOP when idle for so long; 0: never */
	bool many_links;       /* more than one SSH connection */
	enum engine_mode server_mode;
	bool server_data_host_reply;   /* dial the address in a 227 */
	bool client_data_host_control; /* ignore the address in a PORT */
	struct addr client_address;    /* goes into 227 and 228; or AF_UNSPEC */
	const char *far_address;       /* of the SSH server, for its listeners
					* toward FTP servers; NULL: loopback */
	struct ports *client_ports;    /* near listeners; NULL: any */
	struct owners *owners;	       /* borrowed; looks up local users */
};

/* May clients at that address connect?  (--allow) */
bool policy_allows(const struct policy *policy, const struct addr *peer);

/*
 * May the client of a control connection accepted at *local from *peer, both
 * known, have a session?  Over loopback it must belong to the user who runs
 * culvert (unless any_user), and its address must be one of --allow.  When not,
 * why (of why_size bytes) says it to people.
 */
bool policy_takes(const struct policy *policy, const struct addr *local,
    const struct addr *peer, char *why, size_t why_size,
    enum refusal *ret_refusal);

/* Whose control connection it is, as far as this host can tell. */
struct policy_peer {
	struct addr addr; /* with the port of its control connection */
	struct addr at;	  /* our end of its control connection */
	bool local;	  /* on loopback: the user counts */
	bool uid_known;
	uid_t uid;
};

/* Looks at a control connection at *local from *peer, which policy_takes() has
 * taken; they are AF_UNSPEC where they are not known. */
void policy_learn(const struct policy *policy, const struct addr *local,
    const struct addr *peer, struct policy_peer *ret);

/* Is that client known to have closed its control connection altogether, not
 * only its direction?  On loopback alone this can be seen. */
bool policy_has_closed(const struct policy *policy,
    const struct policy_peer *client);

enum policy_answer {
	POLICY_ADMITTED,
	POLICY_STRANGER, /* it is somebody else's */
	POLICY_UNKNOWN,	 /* it may be the client's: nobody can tell any more */
};

/*
 * May a data connection accepted at *local from *peer belong to that client?
 * It must come from the same address, and on loopback from the same user
 * (unless any_user).  Where the far side tells nobody's address, everybody is
 * taken.  When not, why (of why_size bytes) says it, and what helps.
 */
enum policy_answer policy_admits(const struct policy *policy,
    const struct policy_peer *client, const struct addr *local,
    const struct addr *peer, char *why, size_t why_size);

#endif
