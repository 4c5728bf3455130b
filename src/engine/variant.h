/*
 * The control engine: the variants of a request for a data connection.  A part
 * of engine/priv.h.
 */
#ifndef ENGINE_VARIANT_H
#define ENGINE_VARIANT_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "ftp/command.h"
#include "ftp/hostport.h"

struct data;
struct engine;
struct exchange;

/* Variants of a request for a data connection; bits of engine_memory. */
enum variant {
	VARIANT_EPSV_NUMBER, /* EPSV 1, EPSV 2 */
	VARIANT_EPSV,
	VARIANT_PASV,
	VARIANT_PORT,
	VARIANT_EPRT4,
	VARIANT_EPRT6,
	VARIANT_NONE,
};

#define VARIANT_BIT(variant) (1U << (variant))
#define VARIANTS_ACTIVE                                           \
	(VARIANT_BIT(VARIANT_PORT) | VARIANT_BIT(VARIANT_EPRT4) | \
	    VARIANT_BIT(VARIANT_EPRT6))
bool variant_is_active(enum variant variant);
enum verb variant_verb(enum variant variant);
sa_family_t variant_family(enum variant variant);
/* Returns the variant of the client's command; to: its host-port in active
 * mode. */
enum variant variant_of(enum verb verb, bool has_argument,
    const struct addr *to);
/* Returns the best variant that was not tried for this request; VARIANT_NONE:
 * all were tried. */
enum variant variant_choose(const struct engine *engine,
    const struct exchange *request);
/* Does the code refuse the command in this variant, so that another variant may
 * work?  (Not a refusal that is temporary, or about the login.) */
bool variant_is_refused(unsigned code);
/* May culvert use passive mode for a client that uses active mode? */
bool variant_has_passive(const struct engine *engine);
/* Writes the argument of PORT or EPRT for the listener toward the server.
 * Returns false if the listener has no address for this variant. */
bool variant_argument(enum variant variant, const struct data *data,
    char text[HOSTPORT_TEXT_MAX]);

#endif
