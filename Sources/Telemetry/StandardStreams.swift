import Glibc

/// The process's surroundings, made safe. To be called before anything opens a file.
package enum StandardStreams {
    /// Gives closed standard descriptors to `/dev/null` (else the first socket would become standard error and log lines
    /// would go to a client), and turns two signals off, so that the call fails that caused them: for a closed pipe (else
    /// the first line after it ends the server) and for a file that grows past the process's limit (else packed weights
    /// that could not be kept would).
    package static func secure() {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) < 0 {
            // `open` takes the lowest free descriptor: this one, as the lower ones are in use by now.
            _ = open("/dev/null", O_RDWR)
        }
    }
}
