/* The stack that a program finds: System V ABI, "Process Initialization"; Linux, fs/binfmt_elf.c. */
#include <core/user/internal.h>

#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#define DEFAULT_STACK (UINT64_C(8) << 20)
#define LEAST_STACK   (UINT64_C(1) << 20)
#define MOST_STACK    (UINT64_C(1) << 30)
#define MOST_AUX      40
#define STACK_GAP     (UINT64_C(1) << 24)

/* What is put down, from the top on. */
typedef struct writer {
    pb_user *user;
    uint64_t at;
    uint64_t low; /* of the stack's memory */
    bool failed;
} writer;

static uint64_t push(writer *w, const void *bytes, uint64_t n)
{
    if (w->at - w->low < n) {
        w->failed = true;
        return 0;
    }
    w->at -= n;
    w->failed |= !pb_user_space_write(w->user->space, w->at, bytes, n);
    return w->at;
}

static uint64_t push_text(writer *w, const char *text)
{
    return push(w, text, strlen(text) + 1);
}

/* Words of the architecture, to be pushed at once. */
static void add_word(const writer *w, GByteArray *words, uint64_t value)
{
    const pb_user_arch *arch = w->user->arch;
    uint8_t bytes[8];

    for (uint32_t i = 0; i < arch->word_bytes; i++)
        bytes[arch->big_endian ? arch->word_bytes - 1u - i : i] = (uint8_t)(value >> (8 * i));
    g_byte_array_append(words, bytes, arch->word_bytes);
}

static GArray *push_texts(writer *w, const char *const *texts)
{
    GArray *at = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    for (; texts && *texts; texts++) {
        uint64_t address = push_text(w, *texts);

        g_array_append_val(at, address);
    }
    return at;
}

static void add_texts(const writer *w, GByteArray *words, const GArray *texts)
{
    for (guint i = 0; i < texts->len; i++)
        add_word(w, words, g_array_index(texts, uint64_t, i));
    add_word(w, words, 0);
}

static uint32_t fill_auxv(writer *w, pb_vcpu *vcpu, const pb_user_image *program,
                          uint64_t interpreter_base, pb_user_aux aux[MOST_AUX])
{
    const pb_user_arch *arch = w->user->arch;
    uint8_t random[16];
    uint64_t random_at, platform_at, name_at;
    uint32_t n;

    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        w->failed = true;
    random_at = push(w, random, sizeof(random));
    platform_at = push_text(w, arch->name);
    name_at = push_text(w, w->user->options.program);
    {
        const pb_user_aux common[] = {
            { AT_PHDR, program->phdrs },
            { AT_PHENT, program->phdr_bytes },
            { AT_PHNUM, program->n_phdrs },
            { AT_PAGESZ, PB_PAGE_SIZE },
            { AT_BASE, interpreter_base },
            { AT_FLAGS, 0 },
            { AT_ENTRY, program->entry },
            { AT_UID, getuid() },
            { AT_EUID, geteuid() },
            { AT_GID, getgid() },
            { AT_EGID, getegid() },
            { AT_SECURE, getauxval(AT_SECURE) },
            { AT_CLKTCK, (uint64_t)sysconf(_SC_CLK_TCK) },
            { AT_RANDOM, random_at },
            { AT_PLATFORM, platform_at },
            { AT_EXECFN, name_at },
        };

        G_STATIC_ASSERT(G_N_ELEMENTS(common) + 9 < MOST_AUX);
        memcpy(aux, common, sizeof(common));
        n = G_N_ELEMENTS(common);
    }
    if (w->user->vdso)
        aux[n++] = (pb_user_aux){ AT_SYSINFO_EHDR, w->user->vdso };
    n += arch->auxv(vcpu, aux + n, MOST_AUX - 1 - n);
    aux[n] = (pb_user_aux){ AT_NULL, 0 };
    return n + 1;
}

static uint64_t stack_bytes(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return DEFAULT_STACK;
    return CLAMP((uint64_t)limit.rlim_cur, LEAST_STACK, MOST_STACK) & ~PB_PAGE_MASK;
}

/* At the top, and below it room that stays empty for it to run into. */
bool pb_user_map_stack(pb_user *user, bool executable, GError **error)
{
    uint64_t bytes = stack_bytes();
    uint64_t top = pb_user_space_bytes(user->space);
    int64_t at = pb_user_space_map(user->space, top - bytes, bytes,
                                   PROT_READ | PROT_WRITE | (executable ? PROT_EXEC : 0),
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

    if (at < 0) {
        g_set_error(error, PB_USER_ERROR, PB_USER_ERROR_CANNOT, "no memory for the stack");
        return false;
    }
    pb_user_space_name(user->space, top - bytes, "[stack]");
    pb_user_space_set_top(user->space, top - bytes - STACK_GAP);
    user->stack_low = top - bytes;
    user->stack_top = top;
    return true;
}

uint64_t pb_user_fill_stack(pb_user *user, pb_vcpu *vcpu, const pb_user_image *program,
                            uint64_t interpreter_base, GError **error)
{
    g_autoptr(GByteArray) words = g_byte_array_new();
    g_autoptr(GArray) argv = NULL;
    g_autoptr(GArray) envp = NULL;
    pb_user_aux aux[MOST_AUX];
    uint32_t n_aux, start;
    writer w = { .user = user, .at = user->stack_top, .low = user->stack_low };

    envp = push_texts(&w, user->options.envp);
    argv = push_texts(&w, user->options.argv);
    n_aux = fill_auxv(&w, vcpu, program, interpreter_base, aux);
    add_word(&w, words, argv->len);
    add_texts(&w, words, argv);
    add_texts(&w, words, envp);
    start = words->len;
    for (uint32_t i = 0; i < n_aux; i++) {
        add_word(&w, words, aux[i].type);
        add_word(&w, words, aux[i].value);
    }
    user->auxv_bytes = words->len - start;
    user->auxv = g_memdup2(words->data + start, user->auxv_bytes);
    if (w.at - w.low > words->len + 16)
        w.at = ((w.at - words->len) & ~UINT64_C(15)) + words->len;
    push(&w, words->data, words->len);
    if (w.failed) {
        g_set_error(error, PB_USER_ERROR, PB_USER_ERROR_CANNOT,
                    "%s: arguments and environment do not fit on the stack", user->options.program);
        return 0;
    }
    user->first_sp = w.at;
    return w.at;
}
