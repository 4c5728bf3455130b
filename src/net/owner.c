/*
 * The owner of the other end of a local connection, by NETLINK_SOCK_DIAG: an
 * exact look-up of inet_diag (sock_diag(7)), without a dump.
 */
#include "net/owner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* More than the answer to one look-up needs. */
#define OWNER_MESSAGE_MAX 8192

struct owners {
	struct mnl_socket *nl; /* NULL: not opened yet */
	uint32_t seq;	       /* of the last request */
};

/* What the callback of one look-up compares, and what it sets. */
struct owner_lookup {
	uint16_t sport; /* network order, as in the messages */
	uint16_t dport;
	int err;
	uid_t uid;
};

static void
owner_put_request(struct nlmsghdr *nlh, uint32_t seq, const struct addr *local,
    const struct addr *peer)
{
	struct inet_diag_req_v2 *request;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nlh->nlmsg_seq = seq;
	request = mnl_nlmsg_put_extra_header(nlh, sizeof(*request));
	request->sdiag_family = (uint8_t)peer->family;
	request->sdiag_protocol = IPPROTO_TCP;
	request->idiag_states = UINT32_MAX;
	request->id.idiag_sport = htons(peer->port);
	request->id.idiag_dport = htons(local->port);
	memcpy(request->id.idiag_src, peer->ip, sizeof(peer->ip));
	memcpy(request->id.idiag_dst, local->ip, sizeof(local->ip));
	/* A socket with a link-local address is bound to its interface. */
	request->id.idiag_if = peer->scope != 0 ? peer->scope : local->scope;
	request->id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	request->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
}

static int
owner_read_answer(const struct nlmsghdr *nlh, void *data)
{
	struct owner_lookup *lookup = data;
	const struct inet_diag_msg *answer = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(*answer))
		return MNL_CB_OK;
	/* If there is no such connection, the kernel may return a listener,
	 * which has no remote port. */
	if (answer->id.idiag_sport != lookup->sport ||
	    answer->id.idiag_dport != lookup->dport) {
		lookup->err = -ENOENT;
	} else if (answer->idiag_inode == 0 ||
	    answer->idiag_state == TCP_SYN_SENT) {
		/* Without an inode the socket was closed, and the uid 0 means
		 * nobody.  A socket in SYN-SENT cannot be the peer's end: that
		 * one no longer exists, and another socket has its port. */
		lookup->err = -ESTALE;
	} else {
		lookup->err = 0;
		lookup->uid = answer->idiag_uid;
	}
	return MNL_CB_STOP;
}

static int
owners_open(struct owners *owners)
{
	struct mnl_socket *nl;
	int err;

	if (owners->nl != NULL)
		return 0;
	/* Non-blocking, because the answer of the kernel is there when sending
	 * returns. */
	nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (nl == NULL)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) != 0) {
		err = -errno;
		mnl_socket_close(nl);
		return err;
	}
	owners->nl = nl;
	return 0;
}

struct owners *
owners_new(void)
{
	struct owners *owners = calloc(1, sizeof(*owners));

	if (owners != NULL)
		owners_open(owners);
	return owners;
}

void
owners_free(struct owners *owners)
{
	if (owners == NULL)
		return;
	if (owners->nl != NULL)
		mnl_socket_close(owners->nl);
	free(owners);
}

/* Reads the answer to the last request; drops answers to earlier ones. */
static int
owners_read(struct owners *owners, struct owner_lookup *lookup)
{
	union {
		struct nlmsghdr nlh;
		char bytes[OWNER_MESSAGE_MAX];
	} message;
	ssize_t n;

	do {
		n = mnl_socket_recvfrom(owners->nl, &message, sizeof(message));
		if (n < 0)
			return -errno;
	} while (n < (ssize_t)sizeof(message.nlh) ||
	    message.nlh.nlmsg_seq != owners->seq);
	if (mnl_cb_run(&message, (size_t)n, owners->seq,
		mnl_socket_get_portid(owners->nl), owner_read_answer,
		lookup) < 0)
		return -errno;
	return lookup->err;
}

int
owner_of_peer(struct owners *owners, const struct addr *local,
    const struct addr *peer, uid_t *ret_uid)
{
	union {
		struct nlmsghdr nlh;
		char bytes[OWNER_MESSAGE_MAX];
	} message;
	struct owner_lookup lookup = {
		.sport = htons(peer->port),
		.dport = htons(local->port),
		.err = -EPROTO,
	};
	int err;

	if (local->family != peer->family ||
	    (peer->family != AF_INET && peer->family != AF_INET6))
		return -EAFNOSUPPORT;
	err = owners_open(owners);
	if (err != 0)
		return err;
	mnl_nlmsg_put_header(message.bytes);
	owner_put_request(&message.nlh, ++owners->seq, local, peer);
	if (mnl_socket_sendto(owners->nl, &message, message.nlh.nlmsg_len) < 0)
		return -errno;
	err = owners_read(owners, &lookup);
	if (err == 0)
		*ret_uid = lookup.uid;
	return err;
}
