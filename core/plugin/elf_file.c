/*
 * ELF headers. System V Application Binary Interface, chapters 4 (ELF header) and 5 (program header);
 * build ids are notes of type NT_GNU_BUILD_ID.
 *
 * The dynamic linker answers "No such file or directory" for an object of another machine, so this looks first.
 */
#include <core/plugin/elf_file.h>
#include <core/plugin/plugin_host.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_NOTES 65536 /* bytes of one note segment that are looked at */

static bool read_at(int fd, void *to, size_t length, uint64_t offset)
{
    return pread(fd, to, length, (off_t)offset) == (ssize_t)length;
}

static const char *machine_name(uint16_t machine)
{
    switch (machine) {
    case EM_386:
        return "x86";
    case EM_X86_64:
        return "x86-64";
    case EM_ARM:
        return "Arm";
    case EM_AARCH64:
        return "AArch64";
    case EM_PPC:
        return "PowerPC";
    case EM_PPC64:
        return "PowerPC 64";
    case EM_RISCV:
        return "RISC-V";
    case EM_S390:
        return "S/390";
    case EM_MIPS:
        return "MIPS";
    case EM_SPARCV9:
        return "SPARC V9";
    case EM_LOONGARCH:
        return "LoongArch";
    default:
        return "another machine";
    }
}

/* The build id in a segment of notes, or null. */
static char *find_build_id(const uint8_t *notes, size_t length)
{
    for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= length;) {
        ElfW(Nhdr) note;
        size_t name_at = at + sizeof(note), value_at, next;

        memcpy(&note, notes + at, sizeof(note));
        value_at = name_at + ((size_t)note.n_namesz + 3) / 4 * 4;
        next = value_at + ((size_t)note.n_descsz + 3) / 4 * 4;
        if (value_at > length || value_at + note.n_descsz > length)
            return NULL;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(notes + name_at, "GNU", 4) == 0) {
            GString *hex = g_string_new(NULL);

            for (size_t i = 0; i < note.n_descsz; i++)
                g_string_append_printf(hex, "%02x", notes[value_at + i]);
            return g_string_free(hex, FALSE);
        }
        at = next;
    }
    return NULL;
}

static char *read_build_id(int fd, const ElfW(Ehdr) * header)
{
    for (unsigned i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) segment;
        g_autofree uint8_t *notes = NULL;
        char *build_id;

        if (!read_at(fd, &segment, sizeof(segment), header->e_phoff + i * sizeof(segment)))
            return NULL;
        if (segment.p_type != PT_NOTE || segment.p_filesz > MAX_NOTES)
            continue;
        notes = g_malloc(segment.p_filesz);
        if (!read_at(fd, notes, segment.p_filesz, segment.p_offset))
            return NULL;
        build_id = find_build_id(notes, segment.p_filesz);
        if (build_id)
            return build_id;
    }
    return NULL;
}

static bool check_header(const char *file, const ElfW(Ehdr) * header, const ElfW(Ehdr) * own,
                         GError **error)
{
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
        g_set_error(error, PB_PLUGIN_ERROR, PB_PLUGIN_ERROR_LOAD,
                    "%s: not a shared object (no ELF header)", file);
        return false;
    }
    /* Machine numbers are read in our byte order: objects of the other order come out as "another machine". */
    if (header->e_ident[EI_CLASS] != own->e_ident[EI_CLASS] ||
        header->e_ident[EI_DATA] != own->e_ident[EI_DATA] || header->e_machine != own->e_machine) {
        g_set_error(error, PB_PLUGIN_ERROR, PB_PLUGIN_ERROR_LOAD,
                    "%s: built for %s, this program runs on %s", file,
                    machine_name(header->e_machine), machine_name(own->e_machine));
        return false;
    }
    if (header->e_type != ET_DYN || header->e_phentsize != sizeof(ElfW(Phdr))) {
        g_set_error(error, PB_PLUGIN_ERROR, PB_PLUGIN_ERROR_LOAD,
                    "%s: not a shared object (ELF type %u)", file, header->e_type);
        return false;
    }
    return true;
}

/* The header of this very program: what a plugin has to match. */
static bool read_own_header(ElfW(Ehdr) * header)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && read_at(fd, header, sizeof(*header), 0);

    if (fd >= 0)
        close(fd);
    return ok;
}

bool pb_elf_check(const char *file, char **build_id, GError **error)
{
    ElfW(Ehdr) header, own;
    struct stat status;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    bool ok = false;

    if (fd < 0 || fstat(fd, &status) != 0)
        g_set_error(error, PB_PLUGIN_ERROR, PB_PLUGIN_ERROR_MISSING, "%s: %s", file,
                    g_strerror(errno));
    else if (!S_ISREG(status.st_mode))
        g_set_error(error, PB_PLUGIN_ERROR, PB_PLUGIN_ERROR_LOAD, "%s: not a file", file);
    else if (!read_at(fd, &header, sizeof(header), 0))
        g_set_error(error, PB_PLUGIN_ERROR, PB_PLUGIN_ERROR_LOAD,
                    "%s: not a shared object (%" G_GINT64_FORMAT " bytes)", file,
                    (gint64)status.st_size);
    else if (!read_own_header(&own))
        g_set_error(error, PB_PLUGIN_ERROR, PB_PLUGIN_ERROR_LOAD,
                    "/proc/self/exe: cannot be read, so %s cannot be compared with it", file);
    else
        ok = check_header(file, &header, &own, error);

    if (ok && build_id)
        *build_id = read_build_id(fd, &header);
    if (fd >= 0)
        close(fd);
    return ok;
}
