import LinuxABI
import TestSupport
import Testing
import VFS

@testable import HostFS

/// What a store says of a file, in numbers that this program has not written.
@Suite struct AttributeRecordTests {
  @Test func numbersThatFitAreTaken() throws {
    let record = try #require(AttributeRecord(Array("100000 7777 4294967295 4294967295 18446744073709551615".utf8)))
    #expect(record.type == .regular && record.permissions.rawValue == 0o7777)
    #expect(record.owner == .max && record.group == .max && record.device == .max)
    _ = (DeviceNumber.major(record.device), DeviceNumber.minor(record.device))
  }

  @Test func othersAreNoRecord() {
    for index in 0..<5 {
      for text in Extreme.texts {
        var fields = ["100000", "644", "0", "0", "0"]
        fields[index] = text
        guard let record = AttributeRecord(Array(fields.joined(separator: " ").utf8)) else { continue }
        _ = record.hostMode
        #expect(record.permissions.rawValue <= 0o7777)
      }
    }
    for text in ["100000 644 4294967296 0 0", "100000 644 -1 0 0", "200000 644 0 0 0", "100000 200000 0 0 0"] {
      #expect(AttributeRecord(Array(text.utf8)) == nil, "\(text)")
    }
  }
}
