// `--user NAME`: what the lists of users and groups say, whatever they look like.

import Testing

@testable import Vedette

@Suite struct UserDatabaseTests {
  private let users = Array(
    """
    # a comment:x:1:1::/:/bin/sh
    root:x:0:0:root:/root:/bin/bash
    short:x:5
    ann:x:4321:8765:Ann,,,:/home/ann:/bin/sh
    bad:x:-1:zero::/:/bin/sh
    ann:x:1:1::/:/bin/sh

    """.utf8)

  @Test func firstEntryOfANameCounts() {
    let entry = UserDatabase.entry(Array("ann".utf8), in: users, keyedBy: [0, 2], count: 7)
    #expect(entry?[2] == Array("4321".utf8))
    #expect(UserDatabase.entry(Array("4321".utf8), in: users, keyedBy: [0, 2], count: 7)?[0] == Array("ann".utf8))
    #expect(UserDatabase.entry(Array("short".utf8), in: users, keyedBy: [0, 2], count: 7) == nil)
    #expect(UserDatabase.entry(Array("# a comment".utf8), in: users, keyedBy: [0, 2], count: 7) == nil)
    #expect(UserDatabase.entry([], in: users, keyedBy: [0, 2], count: 7) == nil)
  }

  @Test func groupsOfAMember() {
    let groups = Array("root:x:0:\ncrew:x:77:bob,ann\n#no:x:3:ann\nbroken:x:q:ann\nagain:x:77:ann\nlast:x:9:ann".utf8)
    #expect(UserDatabase.memberships(of: Array("ann".utf8), in: groups) == [77, 9])
    #expect(UserDatabase.memberships(of: Array("an".utf8), in: groups) == [])
    #expect(UserDatabase.memberships(of: [], in: groups) == [])
  }

  @Test func numbersAreIds() {
    #expect(UserDatabase.number(Array("0".utf8)) == 0)
    #expect(UserDatabase.number(Array("4294967294".utf8)) == 4_294_967_294)
    for text in ["", "4294967295", "99999999999", "-1", "+1", "1x", " 1"] {
      #expect(UserDatabase.number(Array(text.utf8)) == nil, "\(text)")
    }
  }
}
