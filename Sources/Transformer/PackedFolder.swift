import Glibc

/// An open folder. Files in it are opened by name and by nothing else: no link is followed, and renaming the folder
/// meanwhile changes nothing.
struct PackedFolder: ~Copyable {
    let descriptor: Int32

    /// - Throws: where it is no folder, or may not be read.
    init(path: String) throws(PackedFileError) {
        descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw PackedFileError("its folder cannot be opened: \(systemMessage())") }
    }

    deinit { close(descriptor) }

    /// Opens a file as it is; nil, and `errno`, where that fails. A pipe in its place cannot hang us.
    func open(_ name: String, _ flags: Int32, mode: mode_t = 0) -> PackedDescriptor? {
        let file = openat(descriptor, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode)
        return file < 0 ? nil : PackedDescriptor(file)
    }

    /// Whether the name is this very file.
    func holds(_ name: String, _ file: borrowing PackedDescriptor) -> Bool {
        var (named, opened) = (stat(), stat())
        return fstatat(descriptor, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(file.number, &opened) == 0
            && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev
    }

    func remove(_ name: String) { unlinkat(descriptor, name, 0) }
}

/// A descriptor that is closed when it goes, and with it the lock that it holds.
struct PackedDescriptor: ~Copyable {
    let number: Int32

    init(_ number: Int32) { self.number = number }

    deinit { close(number) }

    /// Takes the lock of the file unless somebody has it. It ends with the descriptor, however the process ends.
    func lock() -> Bool { flock(number, LOCK_EX | LOCK_NB) == 0 }
}

/// What the system says about the last failed call.
func systemMessage() -> String { String(cString: strerror(errno)) }
