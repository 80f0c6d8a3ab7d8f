// Takes the protocol's two descriptors away from everything else in the process. Afterwards descriptor 1 is
// standard error, so that a stray print (ours or a library's) lands in the log instead of between two frames,
// and descriptor 0 is empty, so that nothing else can eat the client's bytes.

import Glibc

/// Why the standard streams could not be taken over.
enum StandardStreamsError: Error, CustomStringConvertible {
    case unusable(stream: String, code: Int32)

    var description: String {
        switch self {
        case .unusable(let stream, let code):
            "\(stream) cannot be used (\(String(cString: strerror(code)))): "
                + "start `foretoken serve` from an editor or with both ends of a pipe"
        }
    }
}

/// The descriptors that only the message reader and the message writer know.
struct StandardStreams: Sendable {
    /// Bytes from the client.
    let input: Int32
    /// Bytes to the client.
    let output: Int32

    /// Call once, before any other thread exists. Also ignores SIGPIPE, so that a client that has gone is an
    /// EPIPE in the writer and not the end of the process.
    ///
    /// - Parameter output: what the client reads from; a test names one that is not open.
    static func takeOver(output: Int32 = STDOUT_FILENO) throws(StandardStreamsError) -> StandardStreams {
        signal(SIGPIPE, SIG_IGN)
        let clientInput = try duplicate(STDIN_FILENO, named: "standard input")
        let clientOutput = try duplicate(output, named: "standard output")
        guard dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 else {
            throw .unusable(stream: "standard error", code: errno)
        }
        let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
        guard null >= 0, dup2(null, STDIN_FILENO) >= 0 else {
            throw .unusable(stream: "/dev/null", code: errno)
        }
        close(null)
        return StandardStreams(input: clientInput, output: clientOutput)
    }

    private static func duplicate(_ descriptor: Int32, named name: String) throws(StandardStreamsError)
        -> Int32
    {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { throw .unusable(stream: name, code: errno) }
        return copy
    }
}
