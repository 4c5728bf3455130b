/*
 * The last bytes of an upload, in blocks.
 */
#include "resume/kept.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "limits.h"

#define KEPT_BLOCK (256 * 1024)

struct kept_block {
	TAILQ_ENTRY(kept_block) entry;
	size_t len;
	uint8_t bytes[KEPT_BLOCK];
};

struct resume_kept {
	struct resume_budget *budget;
	TAILQ_HEAD(kept_blocks, kept_block) blocks;
	uint64_t begin, end;
};

struct resume_kept *
resume_kept_new(struct resume_budget *budget)
{
	struct resume_kept *kept = calloc(1, sizeof(*kept));

	if (kept == NULL)
		return NULL;
	kept->budget = budget;
	TAILQ_INIT(&kept->blocks);
	return kept;
}

static struct kept_block *
kept_drop_first(struct resume_kept *kept)
{
	struct kept_block *block = TAILQ_FIRST(&kept->blocks);

	if (block == NULL)
		return NULL;
	TAILQ_REMOVE(&kept->blocks, block, entry);
	kept->begin += block->len;
	block->len = 0;
	return block;
}

void
resume_kept_free(struct resume_kept *kept)
{
	struct kept_block *block;

	if (kept == NULL)
		return;
	while ((block = kept_drop_first(kept)) != NULL) {
		kept->budget->left += sizeof(*block);
		free(block);
	}
	free(kept);
}

/* An empty block at the end; NULL: there is no memory. */
static struct kept_block *
kept_new_block(struct resume_kept *kept)
{
	struct kept_block *block = NULL;

	if (kept->end - kept->begin < LIMIT_RESUME_KEPT &&
	    kept->budget->left >= sizeof(*block))
		block = malloc(sizeof(*block));
	if (block != NULL)
		kept->budget->left -= sizeof(*block);
	else
		block = kept_drop_first(kept);
	if (block == NULL)
		return NULL;
	block->len = 0;
	TAILQ_INSERT_TAIL(&kept->blocks, block, entry);
	return block;
}

void
resume_kept_add(struct resume_kept *kept, const void *bytes, size_t len)
{
	struct kept_block *block;
	size_t n;

	while (len > 0) {
		block = TAILQ_LAST(&kept->blocks, kept_blocks);
		if (block == NULL || block->len == KEPT_BLOCK)
			block = kept_new_block(kept);
		if (block == NULL) {
			kept->end += len;
			kept->begin = kept->end;
			return;
		}
		n = len < KEPT_BLOCK - block->len ? len :
						    KEPT_BLOCK - block->len;
		memcpy(block->bytes + block->len, bytes, n);
		block->len += n;
		kept->end += n;
		bytes = (const uint8_t *)bytes + n;
		len -= n;
	}
}

uint64_t
resume_kept_begin(const struct resume_kept *kept)
{
	return kept->begin;
}

uint64_t
resume_kept_end(const struct resume_kept *kept)
{
	return kept->end;
}

const uint8_t *
resume_kept_at(const struct resume_kept *kept, uint64_t at, size_t *ret_len)
{
	const struct kept_block *block;
	uint64_t from = kept->begin;

	assert(at >= kept->begin && at < kept->end);
	TAILQ_FOREACH (block, &kept->blocks, entry) {
		if (at < from + block->len)
			break;
		from += block->len;
	}
	assert(block != NULL);
	*ret_len = (size_t)(from + block->len - at);
	return block->bytes + (at - from);
}
