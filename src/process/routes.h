/*
 * Where the clients of a listener go that have chosen their server: by the
 * rules of the configuration, to the tunnels of this process.
 */
#ifndef PROCESS_ROUTES_H
#define PROCESS_ROUTES_H

#include "capture/router.h"
#include "process/destination.h"

/* The FTP server of the listener's -L or -R. */
struct target routes_target(const struct listener *listener);

/* For router_new(), with a struct listener: applies the rules that are in force
 * now. */
enum route_answer routes_decide(void *ctx, const struct rules_request *request,
    struct route *ret, char *why, size_t why_size);

/* For tunnel_options.admitted, with a struct listener: a client whose
 * connection nft(8) has sent here. */
void routes_captured(void *ctx, const struct arrival *arrival);

#endif
