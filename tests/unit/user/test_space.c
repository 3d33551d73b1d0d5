/*
 * Address spaces of programs: core/user/space.c.
 */
#include "../runner.h"

#include <core/user/space.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE      PB_PAGE_SIZE
#define ANYWHERE  (MAP_PRIVATE | MAP_ANONYMOUS)
#define HERE      (ANYWHERE | MAP_FIXED)
#define READWRITE (PROT_READ | PROT_WRITE)

#define AT UINT64_C(0x100000)

static pb_user_space *make(void)
{
    pb_user_space *space = pb_user_space_new(NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(space);
    return space;
}

static int64_t map(pb_user_space *space, uint64_t at, uint64_t pages, int prot, int flags)
{
    return pb_user_space_map(space, at, pages * PAGE, prot, flags, -1, 0);
}

/* Permissions of pages from AT on, a digit each; '-': not mapped. */
static const char *shape(pb_user_space *space, unsigned pages)
{
    static char text[32];
    uint32_t prot;

    for (unsigned i = 0; i < pages; i++)
        text[i] = pb_user_space_find(space, AT + i * PAGE, &prot) ? (char)('0' + prot) : '-';
    text[pages] = '\0';
    return text;
}

static void permissions_are_those_of_pages(void)
{
    pb_user_space *space = make();

    CU_ASSERT_EQUAL(map(space, AT, 8, READWRITE, HERE), (int64_t)AT);
    CU_ASSERT_STRING_EQUAL(shape(space, 9), "33333333-");
    CU_ASSERT_EQUAL(pb_user_space_protect(space, AT + 2 * PAGE, 2 * PAGE, PROT_READ), 0);
    CU_ASSERT_EQUAL(pb_user_space_protect(space, AT + 3 * PAGE, 1, PROT_NONE), 0);
    CU_ASSERT_EQUAL(pb_user_space_protect(space, AT + 5 * PAGE, PAGE, PROT_EXEC), 0);
    CU_ASSERT_STRING_EQUAL(shape(space, 9), "33103533-");
    CU_ASSERT_EQUAL(pb_user_space_unmap(space, AT + 6 * PAGE, PAGE), 0);
    CU_ASSERT_EQUAL(map(space, AT, 1, PROT_READ, HERE), (int64_t)AT);
    CU_ASSERT_STRING_EQUAL(shape(space, 9), "131035-3-");
    CU_ASSERT_EQUAL(pb_user_space_protect(space, AT + 5 * PAGE, 2 * PAGE, PROT_READ), -ENOMEM);
    CU_ASSERT_EQUAL(pb_user_space_protect(space, AT + 1, PAGE, PROT_READ), -EINVAL);
    CU_ASSERT_STRING_EQUAL(shape(space, 9), "131035-3-");
    pb_user_space_free(space);
}

static void places_are_checked(void)
{
    pb_user_space *space = make();
    uint64_t most = pb_user_space_bytes(space);
    int64_t first, second;

    CU_ASSERT_EQUAL(map(space, 0, 1, PROT_READ, HERE), -EPERM);
    CU_ASSERT_EQUAL(map(space, PB_USER_LOWEST - PAGE, 1, PROT_READ, HERE), -EPERM);
    CU_ASSERT_EQUAL(map(space, AT + 1, 1, PROT_READ, HERE), -EINVAL);
    CU_ASSERT_EQUAL(map(space, most, 1, PROT_READ, HERE), -ENOMEM);
    CU_ASSERT_EQUAL(map(space, most - PAGE, 2, PROT_READ, HERE), -ENOMEM);
    CU_ASSERT_EQUAL(map(space, UINT64_MAX - PAGE + 1, 1, PROT_READ, HERE), -ENOMEM);
    CU_ASSERT_EQUAL(map(space, AT, UINT64_MAX / PAGE, PROT_READ, ANYWHERE), -ENOMEM);
    CU_ASSERT_EQUAL(pb_user_space_map(space, AT, 0, PROT_READ, ANYWHERE, -1, 0), -EINVAL);
    CU_ASSERT_EQUAL(pb_user_space_map(space, AT, UINT64_MAX, PROT_READ, ANYWHERE, -1, 0), -ENOMEM);
    CU_ASSERT_EQUAL(pb_user_space_map(space, AT, PAGE, PROT_READ, ANYWHERE, -1, 1), -EINVAL);
    CU_ASSERT_EQUAL(pb_user_space_map(space, AT, PAGE, PROT_READ, MAP_PRIVATE, 999, 0), -EBADF);
    CU_ASSERT_EQUAL(map(space, most - PAGE, 1, PROT_READ, HERE), (int64_t)(most - PAGE));
    CU_ASSERT_EQUAL(map(space, most - PAGE, 1, PROT_READ, ANYWHERE | MAP_FIXED_NOREPLACE), -EEXIST);
    /* From the top down, into gaps that are large enough. */
    pb_user_space_set_top(space, AT + 16 * PAGE);
    first = map(space, 0, 4, READWRITE, ANYWHERE);
    second = map(space, 0, 2, READWRITE, ANYWHERE);
    CU_ASSERT_EQUAL(first, (int64_t)(AT + 12 * PAGE));
    CU_ASSERT_EQUAL(second, (int64_t)(AT + 10 * PAGE));
    CU_ASSERT_EQUAL(pb_user_space_unmap(space, (uint64_t)first + PAGE, 2 * PAGE), 0);
    CU_ASSERT_EQUAL(map(space, 0, 3, READWRITE, ANYWHERE), (int64_t)(AT + 7 * PAGE));
    CU_ASSERT_EQUAL(map(space, 0, 2, READWRITE, ANYWHERE), first + (int64_t)PAGE);
    CU_ASSERT_EQUAL(map(space, (uint64_t)first, 1, READWRITE, ANYWHERE), (int64_t)(AT + 6 * PAGE));
    /* Until there is none. */
    CU_ASSERT_EQUAL(map(space, 0, (AT - PB_USER_LOWEST) / PAGE + 7, READWRITE, ANYWHERE), -ENOMEM);
    pb_user_space_free(space);
}

static void nothing_beyond_permissions_is_copied(void)
{
    pb_user_space *space = make();
    uint64_t most = pb_user_space_bytes(space);
    char text[16] = "0123456789abcde", back[16] = "";
    int error = 0;
    char *string;

    map(space, AT, 2, READWRITE, HERE);
    map(space, AT + 2 * PAGE, 1, PROT_READ, HERE);
    CU_ASSERT(pb_user_space_write(space, AT + 2 * PAGE - 16, text, 16));
    CU_ASSERT(pb_user_space_read(space, AT + 2 * PAGE - 16, back, 16));
    CU_ASSERT_STRING_EQUAL(back, text);
    CU_ASSERT_FALSE(pb_user_space_write(space, AT + 2 * PAGE - 15, text, 16));
    CU_ASSERT(pb_user_space_read(space, AT + 2 * PAGE - 15, back, 16));
    CU_ASSERT_FALSE(pb_user_space_read(space, AT + 3 * PAGE - 15, back, 16));
    CU_ASSERT_FALSE(pb_user_space_read(space, most - 1, back, 16));
    CU_ASSERT_FALSE(pb_user_space_read(space, UINT64_MAX - 1, back, 16));
    CU_ASSERT_EQUAL(pb_user_space_reach(space, AT + 5, 10 * PAGE, PB_PROT_READ), 3 * PAGE - 5);
    CU_ASSERT_EQUAL(pb_user_space_reach(space, AT + 5, 10 * PAGE, PB_PROT_WRITE), 2 * PAGE - 5);
    CU_ASSERT_EQUAL(pb_user_space_reach(space, UINT64_MAX - 4, UINT64_MAX, PB_PROT_READ), 0);

    string = pb_user_space_string(space, AT + 2 * PAGE - 16, 15, &error);
    CU_ASSERT_STRING_EQUAL(string, text);
    g_free(string);
    CU_ASSERT_PTR_NULL(pb_user_space_string(space, AT + 2 * PAGE - 16, 14, &error));
    CU_ASSERT_EQUAL(error, ENAMETOOLONG);
    pb_user_space_write(space, AT + PAGE, "endless", 7);
    memset(pb_user_space_base(space) + AT + PAGE, 'x', PAGE);
    pb_user_space_unmap(space, AT + 2 * PAGE, PAGE);
    CU_ASSERT_PTR_NULL(pb_user_space_string(space, AT + PAGE, 2 * PAGE, &error));
    CU_ASSERT_EQUAL(error, EFAULT);
    CU_ASSERT_PTR_NULL(pb_user_space_string(space, UINT64_MAX, 10, &error));
    CU_ASSERT_EQUAL(error, EFAULT);
    pb_user_space_free(space);
}

static void mappings_move_with_their_bytes(void)
{
    pb_user_space *space = make();
    const int may_move = MREMAP_MAYMOVE, fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
    uint8_t *base = pb_user_space_base(space);
    int64_t to;

    map(space, AT, 2, READWRITE, HERE);
    base[AT] = 1;
    base[AT + PAGE] = 2;
    /* In place, if nothing is behind. */
    CU_ASSERT_EQUAL(pb_user_space_remap(space, AT, 2 * PAGE, 4 * PAGE, 0, 0), (int64_t)AT);
    CU_ASSERT_STRING_EQUAL(shape(space, 5), "3333-");
    CU_ASSERT_EQUAL(pb_user_space_remap(space, AT, 4 * PAGE, 3 * PAGE, 0, 0), (int64_t)AT);
    CU_ASSERT_STRING_EQUAL(shape(space, 5), "333--");
    map(space, AT + 3 * PAGE, 1, PROT_READ, HERE);
    CU_ASSERT_EQUAL(pb_user_space_remap(space, AT, 3 * PAGE, 5 * PAGE, 0, 0), -ENOMEM);
    to = pb_user_space_remap(space, AT, 3 * PAGE, 5 * PAGE, may_move, 0);
    CU_ASSERT(to > 0 && to != (int64_t)AT);
    CU_ASSERT(base[to] == 1 && base[to + PAGE] == 2 && base[to + 4 * PAGE] == 0);
    CU_ASSERT_STRING_EQUAL(shape(space, 5), "---1-");
    /* A part, over what is there. */
    CU_ASSERT_EQUAL(
        pb_user_space_remap(space, (uint64_t)to + PAGE, PAGE, PAGE, fixed, AT + 3 * PAGE),
        (int64_t)(AT + 3 * PAGE));
    CU_ASSERT_STRING_EQUAL(shape(space, 5), "---3-");
    CU_ASSERT_EQUAL(base[AT + 3 * PAGE], 2);
    CU_ASSERT_EQUAL(pb_user_space_remap(space, AT, PAGE, PAGE, may_move, 0), -EFAULT);
    CU_ASSERT_EQUAL(pb_user_space_remap(space, AT + 3 * PAGE, PAGE, 0, may_move, 0), -EINVAL);
    CU_ASSERT_EQUAL(pb_user_space_remap(space, AT + 3 * PAGE, PAGE, PAGE, MREMAP_FIXED, AT),
                    -EINVAL);
    CU_ASSERT_EQUAL(pb_user_space_remap(space, AT + 3 * PAGE, PAGE, PAGE, fixed, AT + 3 * PAGE),
                    -EINVAL);
    CU_ASSERT_EQUAL(pb_user_space_remap(space, AT + 3 * PAGE, PAGE, UINT64_MAX, may_move, 0),
                    -ENOMEM);
    pb_user_space_free(space);
}

static void the_list_names_what_is_mapped(void)
{
    pb_user_space *space = make();
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);

    map(space, AT, 1, PROT_READ | PROT_EXEC, HERE);
    map(space, AT + 4 * PAGE, 2, READWRITE, HERE);
    pb_user_space_name(space, AT + 4 * PAGE, "[stack]");
    pb_user_space_list(space, file);
    fclose(file);
    CU_ASSERT_STRING_EQUAL(
        text, "00100000-00101000 r-xp 00000000 00:00 0\n"
              "00104000-00106000 rw-p 00000000 00:00 0                                  [stack]\n");
    free(text);
    pb_user_space_free(space);
}

/* Against a model of 64 pages. */
static void random_against_a_model(void)
{
    pb_user_space *space = make();
    GRand *random = g_rand_new_with_seed(1);
    char model[65] = "";

    memset(model, '-', 64);
    for (unsigned i = 0; i < 2000; i++) {
        unsigned first = (unsigned)g_rand_int_range(random, 0, 64);
        unsigned n = (unsigned)g_rand_int_range(random, 1, 65 - (int)first);
        uint64_t at = AT + first * PAGE;
        int prot = g_rand_int_range(random, 0, 2) ? READWRITE : PROT_READ;
        char digit = prot == READWRITE ? '3' : '1', seen[65] = "";

        switch (g_rand_int_range(random, 0, 3)) {
        case 0:
            CU_ASSERT_EQUAL(map(space, at, n, prot, HERE), (int64_t)at);
            memset(model + first, digit, n);
            break;
        case 1:
            CU_ASSERT_EQUAL(pb_user_space_unmap(space, at, n * PAGE), 0);
            memset(model + first, '-', n);
            break;
        default:
            if (pb_user_space_protect(space, at, n * PAGE, prot) == 0)
                memset(model + first, digit, n);
            else
                CU_ASSERT_PTR_NOT_NULL(memchr(model + first, '-', n));
        }
        for (unsigned k = 0; k < 64; k++) {
            uint32_t p;

            seen[k] = pb_user_space_find(space, AT + k * PAGE, &p) ? (char)('0' + p) : '-';
            /* And the host has it so. */
            if (seen[k] == '3')
                pb_user_space_base(space)[AT + k * PAGE]++;
        }
        CU_ASSERT_STRING_EQUAL(seen, model);
    }
    g_rand_free(random);
    pb_user_space_free(space);
}

int main(void)
{
    static const unit_case cases[] = {
        { "permissions are those of pages", permissions_are_those_of_pages },
        { "places are checked", places_are_checked },
        { "nothing beyond permissions is copied", nothing_beyond_permissions_is_copied },
        { "mappings move with their bytes", mappings_move_with_their_bytes },
        { "the list names what is mapped", the_list_names_what_is_mapped },
        { "random, against a model", random_against_a_model },
        { 0 },
    };

    return unit_run("user mode: address spaces", cases);
}
