// A GGUF model file, mapped and checked: typed metadata and a table of tensors whose bytes are known to lie
// inside the file, aligned and without overlap. It does not interpret the tensors; which tensors a model
// needs and in which shapes is the model's business. Specification: ggml's docs/gguf.md, versions 2 and 3.

/// One tensor of a GGUF file.
package struct GGUFTensor: Sendable, Equatable {
    package let name: String
    package let type: TensorType
    /// In ggml's order: `dimensions[0]` is the length K of a contiguous row, `dimensions[1]` the number of
    /// rows.
    package let dimensions: [Int]
    /// From the start of the file.
    package let byteOffset: Int
    package let byteCount: Int

    /// The product of the dimensions.
    package var elementCount: Int { byteCount / type.blockByteCount * type.blockElementCount }
}

/// An open model file. Everything in it was checked at `open`; the mapping lives as long as this object.
///
/// Thread-safe: it is immutable.
package final class GGUFFile: Sendable {
    package let metadata: GGUFMetadata
    package let tensors: [String: GGUFTensor]
    private let file: MappedFile

    private init(file: MappedFile, metadata: GGUFMetadata, tensors: [String: GGUFTensor]) {
        self.file = file
        self.metadata = metadata
        self.tensors = tensors
    }

    /// The path as it was given to `open`.
    package var path: String { file.path }

    /// The file that was opened, whatever its name stands for by now.
    var identity: FileIdentity { file.identity }

    /// The size of the whole file.
    package var byteCount: Int { file.byteCount }

    /// Maps the file at `path` and reads its header. Tensor data is not touched.
    package static func open(_ path: String) throws(GGUFError) -> GGUFFile {
        let file: MappedFile
        do {
            file = try MappedFile.open(path)
        } catch {
            throw GGUFError(path: path, problem: .file(error))
        }
        var parser = GGUFParser(file)
        let counts = try parser.readCounts()
        let metadata = GGUFMetadata(path: path, values: try parser.readMetadata(count: counts.metadataCount))
        let infos = try parser.readTensorInfos(count: counts.tensorCount)
        let tensors = try place(infos, after: parser.position, metadata: metadata, in: file)
        return GGUFFile(file: file, metadata: metadata, tensors: tensors)
    }

    /// The tensor's stored bytes; valid while this object lives.
    package func bytes(of tensor: GGUFTensor) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: file.bytes[tensor.byteOffset..<tensor.byteOffset + tensor.byteCount])
    }

    /// The tensor called `name`, which must have exactly `dimensions` (ggml order).
    package func requiredTensor(_ name: String, dimensions: [Int]) throws(GGUFError) -> GGUFTensor {
        guard let tensor = tensors[name] else {
            throw GGUFError(path: path, problem: .missingTensor(name))
        }
        guard tensor.dimensions == dimensions else {
            let reason = "has the dimensions \(tensor.dimensions) instead of \(dimensions)"
            throw GGUFError(path: path, problem: .badTensor(name: name, reason: reason))
        }
        return tensor
    }

    /// Says that the tensor's stored bytes will not be read soon, for example because they were repacked.
    package func adviseDontNeed(_ tensor: GGUFTensor) {
        file.adviseDontNeed(tensor.byteOffset..<tensor.byteOffset + tensor.byteCount)
    }
}

// MARK: - Placing tensors in the data section

extension GGUFFile {
    /// Gives every tensor its place in the file, and refuses places outside it, unaligned or shared.
    private static func place(
        _ infos: [GGUFTensorInfo], after headerByteCount: Int, metadata: GGUFMetadata, in file: MappedFile
    ) throws(GGUFError) -> [String: GGUFTensor] {
        let alignment = try alignment(metadata, path: file.path)
        // The header lies in memory and the alignment is bounded, so this cannot overflow.
        let dataOffset = (headerByteCount + alignment - 1) / alignment * alignment
        var tensors: [String: GGUFTensor] = [:]
        tensors.reserveCapacity(infos.count)
        for info in infos {
            func bad(_ reason: String) -> GGUFError {
                GGUFError(path: file.path, problem: .badTensor(name: info.name, reason: reason))
            }
            guard let offset = Int(exactly: info.relativeOffset), offset % alignment == 0 else {
                throw bad("starts at \(info.relativeOffset), which is not a multiple of \(alignment)")
            }
            let (start, startOverflow) = dataOffset.addingReportingOverflow(offset)
            let (end, endOverflow) = start.addingReportingOverflow(info.byteCount)
            guard !startOverflow, !endOverflow, end <= file.byteCount else {
                throw bad(
                    "of \(info.byteCount) bytes at \(info.relativeOffset) reaches past the end of the file")
            }
            let tensor = GGUFTensor(
                name: info.name, type: info.type, dimensions: info.dimensions, byteOffset: start,
                byteCount: info.byteCount)
            guard tensors.updateValue(tensor, forKey: info.name) == nil else { throw bad("appears twice") }
        }
        try refuseOverlap(tensors, path: file.path)
        return tensors
    }

    private static func alignment(_ metadata: GGUFMetadata, path: String) throws(GGUFError) -> Int {
        let key = "general.alignment"
        // 32 is the format's default.
        let raw = try metadata.uint(key) ?? 32
        guard raw >= 1, raw <= GGUFLimits.alignment, raw.nonzeroBitCount == 1 else {
            let expected = "a power of two up to \(GGUFLimits.alignment)"
            throw GGUFError(path: path, problem: .invalidValue(key: key, expected: expected, found: "\(raw)"))
        }
        return Int(raw)
    }

    private static func refuseOverlap(_ tensors: [String: GGUFTensor], path: String) throws(GGUFError) {
        let ordered = tensors.values.sorted { ($0.byteOffset, $0.name) < ($1.byteOffset, $1.name) }
        for (tensor, next) in zip(ordered, ordered.dropFirst())
        where next.byteOffset < tensor.byteOffset + tensor.byteCount {
            let reason = "overlaps the tensor \(tensor.name)"
            throw GGUFError(path: path, problem: .badTensor(name: next.name, reason: reason))
        }
    }
}
