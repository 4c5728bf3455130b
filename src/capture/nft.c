/*
 * Rules of nft(8).
 *
 * redirect: the kernel changes the address of a connection to that of this host
 * and the port to ours, and keeps the original for SO_ORIGINAL_DST.  Data
 * connections of passive mode go to a port of client-ports at the server's
 * address; they keep their port.
 *
 * tproxy: the packets are delivered here unchanged, because of their mark and a
 * route that declares all addresses local for it.  "socket transparent" marks
 * those of data connections, which have sockets at the server's address.  If
 * nobody listens, tproxy lets a packet go on, and it would be forwarded.
 *
 * So in both cases the chain "forward" drops what was not captured.
 */
#include "capture/nft.h"

#include <netinet/in.h>
#include <string.h>

#include "base/addr.h"

/* What one line of nft matches. */
struct match {
	const struct subnet *subnet; /* NULL: every address of other hosts */
	sa_family_t family;
	struct rule_ports ports;
};

typedef void write_fn(FILE *to, const struct config_tunnel *tunnel,
    const struct match *match);

static void
write_match(FILE *to, const struct match *match)
{
	const char *ip = match->family == AF_INET6 ? "ip6" : "ip";
	char text[ADDR_TEXT_MAX];

	if (match->subnet != NULL)
		fprintf(to, "\t\t%s daddr %s/%u", ip,
		    addr_format_ip(&match->subnet->addr, text),
		    match->subnet->bits);
	else
		fprintf(to, "\t\tmeta nfproto %s fib daddr type != local",
		    match->family == AF_INET6 ? "ipv6" : "ipv4");
	if (match->ports.low == match->ports.high)
		fprintf(to, " tcp dport %u", match->ports.low);
	else
		fprintf(to, " tcp dport %u-%u", match->ports.low,
		    match->ports.high);
}

static void
write_redirect(FILE *to, const struct config_tunnel *tunnel,
    const struct match *match)
{
	write_match(to, match);
	fprintf(to, " redirect to :%u\n", tunnel->options.forwards[0].port);
}

static void
write_redirect_data(FILE *to, const struct config_tunnel *tunnel,
    const struct match *match)
{
	struct match data = *match;

	data.ports.low = tunnel->options.client_ports_low;
	data.ports.high = tunnel->options.client_ports_high;
	write_match(to, &data);
	fputs(" redirect\n", to);
}

static void
write_tproxy(FILE *to, const struct config_tunnel *tunnel,
    const struct match *match)
{
	write_match(to, match);
	fprintf(to, " tproxy %s to :%u meta mark set " NFT_MARK " accept\n",
	    match->family == AF_INET6 ? "ip6" : "ip",
	    tunnel->options.forwards[0].port);
}

static void
write_drop(FILE *to, const struct config_tunnel *tunnel,
    const struct match *match)
{
	write_match(to, match);
	fputs(" drop\n", to);
}

/* Can a pattern match the text of an address?  Names are not captured. */
static bool
may_be_address(const char *glob)
{
	return glob[strspn(glob, "0123456789abcdefABCDEF.:*?[]!-")] == '\0' &&
	    strpbrk(glob, "*?[") != NULL;
}

/* Writes a line for each port of a rule at that host; NULL: any. */
static void
write_ports(FILE *to, const struct config_tunnel *tunnel,
    const struct rule *rule, const struct subnet *subnet, sa_family_t family,
    bool ports, write_fn *write)
{
	struct match match = {
		.subnet = subnet,
		.family = family,
		.ports = { 21, 21 },
	};

	if (rule->n_ports == 0 || !ports) {
		write(to, tunnel, &match);
		return;
	}
	for (size_t i = 0; i < rule->n_ports; i++) {
		match.ports = rule->ports[i];
		write(to, tunnel, &match);
	}
}

/* Writes a line for each host and port of the rules; without ports, one for
 * each host. */
static void
write_all(FILE *to, const struct config_tunnel *tunnel,
    const struct rule *rules, size_t n, bool ports, write_fn *write)
{
	for (const struct rule *rule = rules; rule < rules + n; rule++) {
		bool any = rule->n_hosts == 0;

		fprintf(to, "\t\t# rule %s\n", rule->name);
		for (size_t i = 0; i < rule->n_hosts; i++) {
			const struct rule_host *host = &rule->hosts[i];

			if (host->glob == NULL)
				write_ports(to, tunnel, rule, &host->subnet,
				    host->subnet.addr.family, ports, write);
			else
				any |= may_be_address(host->glob);
		}
		if (any) {
			write_ports(to, tunnel, rule, NULL, AF_INET, ports,
			    write);
			write_ports(to, tunnel, rule, NULL, AF_INET6, ports,
			    write);
		}
	}
}

void
nft_write(FILE *to, const struct config_tunnel *tunnel,
    const struct rule *rules, size_t n)
{
	bool tproxy = tunnel->options.capture == OPTIONS_CAPTURE_TPROXY;

	fprintf(to,
	    "# culvert capture-rules %s\n"
	    "table inet culvert-%s\n"
	    "delete table inet culvert-%s\n"
	    "table inet culvert-%s {\n"
	    "\tchain prerouting {\n",
	    tunnel->name, tunnel->name, tunnel->name, tunnel->name);
	if (tproxy) {
		/* Not to the port of the tunnel: its listener, too, is a
		 * transparent socket, for every address. */
		fprintf(to,
		    "\t\ttype filter hook prerouting priority mangle; policy "
		    "accept;\n"
		    "\t\ttcp dport != %u socket transparent 1 meta mark set " NFT_MARK
		    " accept\n",
		    tunnel->options.forwards[0].port);
		write_all(to, tunnel, rules, n, true, write_tproxy);
	} else {
		fputs("\t\ttype nat hook prerouting priority dstnat; policy "
		      "accept;\n",
		    to);
		write_all(to, tunnel, rules, n, true, write_redirect);
		fputs("\t\t# data connections: client-ports\n", to);
		write_all(to, tunnel, rules, n, false, write_redirect_data);
	}
	fputs("\t}\n"
	      "\tchain forward {\n"
	      "\t\ttype filter hook forward priority filter; policy accept;\n",
	    to);
	write_all(to, tunnel, rules, n, true, write_drop);
	fputs("\t}\n}\n", to);
}
