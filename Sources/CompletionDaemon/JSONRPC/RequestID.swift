// The id by which a request and its response find each other (JSON-RPC 2.0, section 4). Kept as it came, so
// that the client gets back the very value it sent.

/// A string compared by its bytes. Swift's String finds "é" composed and decomposed equal; ids and URIs are
/// not.
struct ExactString: Hashable, Sendable {
    let value: String

    init(_ value: String) {
        self.value = value
    }

    static func == (a: ExactString, b: ExactString) -> Bool {
        a.value.utf8.elementsEqual(b.value.utf8)
    }

    func hash(into hasher: inout Hasher) {
        for byte in value.utf8 { hasher.combine(byte) }
    }
}

/// A request's id: an integer or a string. A response to a message whose id could not be read has none
/// (null).
enum RequestID: Hashable, Sendable, CustomStringConvertible {
    case number(Int64)
    case string(ExactString)

    var description: String {
        switch self {
        case .number(let number): "\(number)"
        case .string(let string): "\"\(string.value)\""
        }
    }
}

extension RequestID: Codable {
    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        // Not an integer is no error here: the other kind of id is tried next.
        if let number = try? container.decode(Int64.self) {
            self = .number(number)
        } else {
            self = .string(ExactString(try container.decode(String.self)))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .number(let number): try container.encode(number)
        case .string(let string): try container.encode(string.value)
        }
    }
}
