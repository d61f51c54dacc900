/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * space_table.c - the objects that the layer has handles of, by number and by handle.
 */
#include "fs/space_layer.h"

#include <string.h>

#define BUCKETS_MIN 64

static struct space_bucket *bucket_of(const struct space_table *table, uint64_t path)
{
	return &table->buckets[(path * 0x9e3779b97f4a7c15U >> 32) & (table->bucket_count - 1)];
}

/* Without memory for it the chains get longer. */
static void grow(struct space_table *table)
{
	size_t count = table->bucket_count ? table->bucket_count * 2 : BUCKETS_MIN;
	struct space_table bigger = {.buckets = calloc(count, sizeof(*table->buckets)),
				     .bucket_count = count};

	if (!bigger.buckets)
		return;
	for (size_t i = 0; i < table->bucket_count; i++) {
		struct space_object *object;

		while ((object = LIST_FIRST(&table->buckets[i]))) {
			LIST_REMOVE(object, in_bucket);
			LIST_INSERT_HEAD(bucket_of(&bigger, object->path), object, in_bucket);
		}
	}
	free(table->buckets);
	table->buckets = bigger.buckets;
	table->bucket_count = count;
}

struct space_object *space_find(const struct space *space, uint64_t path)
{
	const struct space_table *table = &space->table;
	struct space_object *object = NULL;

	if (table->bucket_count == 0)
		return NULL;
	LIST_FOREACH (object, bucket_of(table, path), in_bucket) {
		if (object->path == path)
			break;
	}
	return object;
}

struct space_object *space_pin(struct space *space, uint64_t path)
{
	struct space_table *table = &space->table;
	struct space_object *object = space_find(space, path);

	if (!object) {
		if (table->count >= table->bucket_count)
			grow(table);
		object = table->bucket_count ? calloc(1, sizeof(*object)) : NULL;
		if (!object)
			return NULL;
		object->path = path;
		LIST_INSERT_HEAD(bucket_of(table, path), object, in_bucket);
		table->count++;
	}
	object->pins++;
	return object;
}

struct space_object *space_at(const struct space_slots *slots, int32_t id)
{
	return id >= 0 && (size_t)id < slots->size ? slots->at[id] : NULL;
}

int space_put(struct space_slots *slots, int32_t id, struct space_object *object)
{
	size_t size = slots->size ? slots->size : 64;
	struct space_object **at;

	if ((size_t)id >= slots->size) {
		while (size <= (size_t)id)
			size *= 2;
		at = realloc(slots->at, size * sizeof(struct space_object *));
		if (!at)
			return -ENOMEM;
		memset(at + slots->size, 0, (size - slots->size) * sizeof(struct space_object *));
		*slots = (struct space_slots){.at = at, .size = size};
	}
	slots->at[id] = object;
	return 0;
}

struct space_object *space_unpin(struct space *space, struct space_object *object)
{
	if (!object || --object->pins > 0)
		return NULL;
	LIST_REMOVE(object, in_bucket);
	space->table.count--;
	return object;
}

void space_release(struct space *space, struct space_object *object)
{
	if (!object)
		return;
	if (object->gone) {
		space->gone.bytes -= (int64_t)object->taken;
		space->gone.files--;
	}
	space->victims_stale |= object->passed;
	free(object);
}

void space_forget_seen(struct space *space)
{
	for (size_t i = 0; i < space->table.bucket_count; i++) {
		struct space_object *object;

		LIST_FOREACH (object, &space->table.buckets[i], in_bucket)
			object->known = object->gone;
	}
}

void space_table_free(struct space_table *table)
{
	for (size_t i = 0; i < table->bucket_count; i++) {
		struct space_object *object;

		while ((object = LIST_FIRST(&table->buckets[i]))) {
			LIST_REMOVE(object, in_bucket);
			free(object);
		}
	}
	free(table->buckets);
	free(table->nodes.at);
	free(table->files.at);
}
