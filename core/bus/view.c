/*
 * Views: address spaces flattened into sorted lists of ranges, and how readers get at them.
 *
 * 1. A view never changes after it was published. A change of the tree makes a new one, so that a reader
 *    sees the old map or the new one, never half of each.
 * 2. Only who holds the device lock (or builds the machine) changes trees and publishes; so there is one
 *    writer. bus->lock guards only the lists of readers and of retired views.
 * 3. Publishing: exchange space->view, then store space->generation, then bus->epoch++; the replaced view is
 *    retired with the epoch before that.
 * 4. Entering: reader->active = bus->epoch. Then the reader loads space->view as often as it likes.
 *    These, and the writer's exchange and scan, are sequentially consistent: a reader that got a view before it
 *    was replaced had stored an epoch not later than the view's, where the writer's scan sees it.
 * 5. A retired view is freed when no reader is active with an epoch at or before its own. Leaving (active =
 *    0) never waits; the scan is done by who publishes, and by readers that leave while something is
 *    retired.
 * 6. A view holds references to its regions and they to RAM, so what a reader found stays as long as it
 *    is entered. Who keeps host addresses longer takes a reference of its own (DMA mappings), or stays
 *    entered (a vCPU with its TLB: it enters again, after a flush, when it finds the generation
 *    changed at a safe point).
 * 7. Generations are unique over all spaces of a bus: an address of a freed view that is used again cannot
 *    be taken for the old one.
 */
#include <core/bus/internal.h>

typedef __int128 wide; /* addresses, also below 0 (an alias' target) and 2^64 */

struct pb_view {
    uint64_t generation;
    uint64_t epoch; /* when it was retired */
    uint32_t count;
    pb_range ranges[];
};

struct pb_reader {
    pb_bus *bus;
    uint64_t active; /* atomic: epoch of entering, 0: outside */
    uint32_t depth;
    /* The range found last, of the view with this generation. */
    uint64_t generation;
    const pb_range *range;
};

/* ---- flattening ------------------------------------------------------------------------------------ */

static void fill_range(pb_range *range, pb_bus_region *region, wide base, wide first, wide last)
{
    static const uint32_t kinds[] = {
        [PB_BUS_RAM] = PB_RANGE_RAM,
        [PB_BUS_ROM] = PB_RANGE_ROM,
        [PB_BUS_ROMD] = PB_RANGE_ROMD,
        [PB_BUS_MMIO] = PB_RANGE_MMIO,
    };

    *range = (pb_range){
        .first = (uint64_t)first,
        .last = (uint64_t)last,
        .kind = kinds[region->kind],
        .region = region,
        .offset = (uint64_t)(first - base),
    };
    if (region->kind == PB_BUS_ROMD && !region->romd_direct)
        range->kind = PB_RANGE_MMIO;
    if (region->ram) {
        range->ram = region->ram;
        range->ram_offset = region->ram_offset + range->offset;
        if (range->kind != PB_RANGE_MMIO)
            range->host = pb_ram_host(region->ram) + range->ram_offset;
    }
}

/* Index of the first range that ends at or above the address. */
static uint32_t find(const pb_range *ranges, uint32_t count, uint64_t gpa)
{
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (ranges[middle].last < gpa)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Puts a region that answers into the gaps that earlier ones left in [first, last]. */
static void place(GArray *out, pb_bus_region *region, wide base, wide first, wide last)
{
    uint32_t i = find((pb_range *)(void *)out->data, out->len, (uint64_t)first);

    while (first <= last) {
        const pb_range *next = i < out->len ? &g_array_index(out, pb_range, i) : NULL;
        wide end = next && (wide)next->first <= last ? (wide)next->first - 1 : last;
        wide after = next ? (wide)next->last + 1 : last + 1;

        if (first <= end) {
            pb_range range;

            fill_range(&range, region, base, first, end);
            g_array_insert_val(out, i, range);
            i++;
        }
        if (end == last)
            break;
        first = after;
        i++;
    }
}

/* What is seen of a region whose offset 0 is at `base`, through the window [first, last]. */
static void render(GArray *out, pb_bus_region *region, wide base, wide first, wide last)
{
    first = MAX(first, base);
    last = MIN(last, base + region->last);
    if (!region->visible || first > last)
        return;
    switch (region->kind) {
    case PB_BUS_CONTAINER:
        for (uint32_t i = 0; i < region->children->len; i++) {
            pb_bus_region *child = region->children->pdata[i];

            render(out, child, base + child->at, first, last);
        }
        break;
    case PB_BUS_ALIAS:
        render(out, region->target, base - region->target_offset, first, last);
        break;
    default:
        place(out, region, base, first, last);
    }
}

static pb_view *flatten(pb_space *space)
{
    g_autoptr(GArray) ranges = g_array_new(false, false, sizeof(pb_range));
    pb_view *view;

    render(ranges, space->root, 0, 0, UINT64_MAX);
    view = g_malloc0(sizeof(*view) + ranges->len * sizeof(pb_range));
    view->count = ranges->len;
    for (uint32_t i = 0; i < view->count; i++) {
        view->ranges[i] = g_array_index(ranges, pb_range, i);
        pb_bus_region_ref(view->ranges[i].region);
    }
    return view;
}

static void view_free(pb_view *view)
{
    for (uint32_t i = 0; i < view->count; i++)
        pb_bus_region_unref(view->ranges[i].region);
    g_free(view);
}

static bool same(const pb_view *a, const pb_view *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        const pb_range *x = &a->ranges[i], *y = &b->ranges[i];

        if (x->first != y->first || x->last != y->last || x->kind != y->kind ||
            x->region != y->region || x->offset != y->offset)
            return false;
    }
    return true;
}

/* ---- publishing and freeing -------------------------------------------------------------------------- */

/* Frees retired views that no reader can still see. */
static void reclaim(pb_bus *bus)
{
    g_autoptr(GPtrArray) done = g_ptr_array_new();
    uint64_t oldest = UINT64_MAX;

    pthread_mutex_lock(&bus->lock);
    for (uint32_t i = 0; i < bus->readers->len; i++) {
        pb_reader *reader = bus->readers->pdata[i];
        uint64_t active = __atomic_load_n(&reader->active, __ATOMIC_SEQ_CST);

        if (active != 0)
            oldest = MIN(oldest, active);
    }
    for (uint32_t i = bus->retired->len; i-- > 0;) {
        pb_view *view = bus->retired->pdata[i];

        if (view->epoch < oldest)
            g_ptr_array_add(done, g_ptr_array_remove_index_fast(bus->retired, i));
    }
    __atomic_store_n(&bus->retired_count, bus->retired->len, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&bus->lock);
    for (uint32_t i = 0; i < done->len; i++)
        view_free(done->pdata[i]);
}

static void retire(pb_bus *bus, pb_view *view)
{
    pthread_mutex_lock(&bus->lock);
    view->epoch = __atomic_fetch_add(&bus->epoch, 1, __ATOMIC_SEQ_CST);
    g_ptr_array_add(bus->retired, view);
    __atomic_store_n(&bus->retired_count, bus->retired->len, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&bus->lock);
    reclaim(bus);
}

void pb_space_publish(pb_space *space)
{
    pb_view *view = flatten(space);
    pb_view *old = __atomic_load_n(&space->view, __ATOMIC_SEQ_CST);

    if (old && same(old, view)) {
        view_free(view);
        return;
    }
    view->generation = ++space->bus->generation;
    __atomic_exchange(&space->view, &view, &old, __ATOMIC_SEQ_CST);
    __atomic_store_n(&space->generation, space->bus->generation, __ATOMIC_SEQ_CST);
    if (old)
        retire(space->bus, old);
}

void pb_space_retire(pb_space *space)
{
    pb_view *view = space->view;

    __atomic_store_n(&space->view, NULL, __ATOMIC_SEQ_CST);
    retire(space->bus, view);
}

/* ---- readers --------------------------------------------------------------------------------------- */

pb_reader *pb_reader_new(pb_bus *bus)
{
    pb_reader *reader = g_new0(pb_reader, 1);

    reader->bus = bus;
    pthread_mutex_lock(&bus->lock);
    g_ptr_array_add(bus->readers, reader);
    pthread_mutex_unlock(&bus->lock);
    return reader;
}

void pb_reader_free(pb_reader *reader)
{
    if (!reader)
        return;
    g_assert(reader->depth == 0);
    pthread_mutex_lock(&reader->bus->lock);
    g_ptr_array_remove_fast(reader->bus->readers, reader);
    pthread_mutex_unlock(&reader->bus->lock);
    g_free(reader);
}

void pb_reader_enter(pb_reader *reader)
{
    if (reader->depth++ == 0) {
        uint64_t epoch = __atomic_load_n(&reader->bus->epoch, __ATOMIC_SEQ_CST);

        __atomic_store_n(&reader->active, epoch, __ATOMIC_SEQ_CST);
    }
}

void pb_reader_leave(pb_reader *reader)
{
    g_assert(reader->depth > 0);
    if (--reader->depth > 0)
        return;
    __atomic_store_n(&reader->active, 0, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&reader->bus->retired_count, __ATOMIC_SEQ_CST) != 0)
        reclaim(reader->bus);
}

const pb_range *pb_space_lookup(pb_space *space, pb_reader *reader, uint64_t gpa)
{
    const pb_view *view = __atomic_load_n(&space->view, __ATOMIC_SEQ_CST);
    const pb_range *range = reader->range;
    uint32_t i;

    if (reader->generation == view->generation && gpa - range->first <= range->last - range->first)
        return range;
    i = find(view->ranges, view->count, gpa);
    if (i == view->count || view->ranges[i].first > gpa)
        return NULL;
    reader->range = &view->ranges[i];
    reader->generation = view->generation;
    return reader->range;
}

const pb_range *pb_space_at_or_above(pb_space *space, uint64_t gpa)
{
    const pb_view *view = __atomic_load_n(&space->view, __ATOMIC_SEQ_CST);
    uint32_t i = find(view->ranges, view->count, gpa);

    return i < view->count ? &view->ranges[i] : NULL;
}
