/*
 * The ends of files in their data: as many however the bytes are cut.  The
 * first byte says which framing, the second where they are.
 */
#include <assert.h>

#include "ftp/framing.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct framing_reader whole, cut;
	size_t at, ends;

	if (len < 2)
		return 0;
	framing_init(&whole, bytes[0] % (FRAMING_COMPRESSED + 1));
	cut = whole;
	at = bytes[1] % (len - 1);
	bytes += 2;
	len -= 2;
	ends = framing_feed(&whole, bytes, len);
	assert(ends <= len);
	assert(framing_feed(&cut, bytes, at) +
		framing_feed(&cut, bytes + at, len - at) ==
	    ends);
	assert(cut.state == whole.state && cut.left == whole.left &&
	    cut.behind == whole.behind && whole.behind <= len);
	return 0;
}
